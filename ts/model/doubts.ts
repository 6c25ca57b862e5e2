/** Reasons to doubt the place, the level or the grade of discs. */

/** What a code means, and whether it concerns single discs or all discs of the slice. */
export const DOUBTS = {
  few_discs: { of: 'slice', message: 'fewer than four lumbar discs were found' },
  level: { of: 'disc', message: 'the level is uncertain: all discs may be one level too high or too low' },
  vote: {
    of: 'slice',
    message: 'neighbouring slices name the discs differently: all discs may be one level too high or too low',
  },
  sacrum: {
    of: 'slice',
    message:
      'the image ends closely below the lowest disc, so the sacrum is not visible: the levels are uncertain',
  },
  place: { of: 'disc', message: 'the place of a disc is uncertain' },
  missed: { of: 'disc', message: 'a disc between two others was not seen; its place is interpolated' },
  no_certainty: {
    of: 'slice',
    message: 'the localizer is the coordinate regression, which cannot state how certain it is',
  },
  orientation: {
    of: 'slice',
    message: 'the orientation is uncertain: the slice may be upside down or mirrored',
  },
  weighting: { of: 'slice', message: 'the pixels look like another weighting than the one the model grades' },
  novel: {
    of: 'disc',
    message: 'the crop of a disc is unlike the training crops: its grade may be wrong',
  },
} as const;

export type Doubt = keyof typeof DOUBTS;

/** The discs of a slice, with levels by a vote of the slices next to it in its stack. */
import type { Point } from '../anatomy.js';
import { type Crop, letterboxSlice, pixelOfPatient, pointInPatient } from '../data/roi.js';
import { neighbours, type SlicePosition, type SourceSlice } from '../data/series.js';
import { slicePosition } from '../dicom/geometry.js';
import type { Device } from '../engine/device.js';
import type { Model } from '../model/bundle.js';
import { locateOnMaps } from '../model/locate.js';
import { mapsOf, type SliceMaps } from '../model/maps.js';
import { type SliceVote, voteOnLevels } from '../model/vote.js';
import { type Oriented, orient } from './orientation.js';

/**
 * The slices that vote: `perSide` on each side, at most `maxMm` from the graded one, because more lateral slices do not show
 * the canal, and at least `minMm` from each other, because closer slices show nearly the same.
 */
const VOTERS = { perSide: 2, maxMm: 10, minMm: 3.5 };

/** The vote of an image of the stack. */
export type StackVote = SliceVote & { image: SourceSlice };

/**
 * The neighbours that vote on the levels of a slice, from near to far on one side and then on the other. Without geometry
 * these are the next ones.
 */
export function votersOf<T extends SlicePosition>(slices: readonly T[], graded: T): T[] {
  const stack = neighbours(slices, graded, slices.length);
  const position = ({ geometry }: T) => (geometry === null ? null : slicePosition(geometry));
  const mmBetween = (a: T, b: T) => {
    const [p, q] = [position(a), position(b)];
    return p === null || q === null ? null : Math.abs(p - q);
  };
  return [-1, 1].flatMap((side) => {
    const chosen: T[] = [];
    const outwards = stack
      .filter(({ offset }) => side * offset > 0)
      .sort((a, b) => side * (a.offset - b.offset));
    for (const { slice } of outwards) {
      const isNear = (mmBetween(slice, graded) ?? 0) <= VOTERS.maxMm;
      const isApart = (mmBetween(slice, chosen.at(-1) ?? graded) ?? VOTERS.minMm) >= VOTERS.minMm;
      if (chosen.length < VOTERS.perSide && isNear && isApart) chosen.push(slice);
    }
    return chosen;
  });
}

/**
 * Locates the discs of a slice in its most likely orientation, and names them by a vote of the slices next to it.
 *
 * @param slices the stack of the slice
 * @returns `votes` is empty if no other slice votes: without a neighbour that shows a lumbar spine, and with the coordinate
 *   regression
 * @throws SpinegradError ERR_NOT_FINITE as `locate`
 */
export async function orientInStack(
  device: Device,
  model: Model,
  slice: SourceSlice,
  slices: readonly SourceSlice[],
): Promise<Oriented & { votes: StackVote[] }> {
  const oriented = await orient(device, model, slice);
  const { crop, maps, located } = oriented;
  const voters = votersOf(slices, slice);
  const { localizer, description } = model;
  if (localizer.kind === 'regression' || maps === null || voters.length === 0 || !located.lumbar)
    return { ...oriented, votes: [] };

  const size = description.localizer.network.sliceSize;
  const crops = voters.map((voter) => letterboxSlice({ ...voter, geometry: oriented.slice.geometry }, size));
  const pixels = crops.map((voter) => voter.pixels);
  const input = { device, size, normalisation: description.normalisation };
  const votersMaps = await mapsOf(localizer, pixels, input);

  const inStack = (image: SourceSlice, { toImage }: Crop, imageMaps: SliceMaps) => ({
    image,
    maps: imageMaps,
    slice: { toImage, pixelSpacing: image.pixelSpacing, imageSize: [image.columns, image.rows] as const },
    toPlane: (point: Point) => inPlaneOf(slice, image, point),
  });
  const others = voters
    .map((voter, index) => inStack(voter, crops[index]!, votersMaps[index]!))
    .map((voter) => ({ ...voter, located: locateOnMaps(voter.maps, size, voter.slice) }))
    .filter((voter) => voter.located.lumbar);
  if (others.length === 0) return { ...oriented, votes: [] };
  const graded = { ...inStack(slice, crop, maps), located };
  const voted = voteOnLevels(graded, others, size);
  const images = [slice, ...others.map(({ image }) => image)];
  const votes = voted.votes.map((vote, index) => ({ image: images[index]!, ...vote }));
  return { ...oriented, located: voted.located, votes };
}

/**
 * A point of a slice, in mm in the plane of the graded slice: its projection in the patient, or the same pixel if the files do
 * not state where their slices are.
 */
function inPlaneOf(graded: SourceSlice, image: SourceSlice, point: Point): Point {
  const inPatient = pointInPatient(image, point);
  const [x, y] = (inPatient && pixelOfPatient(graded, inPatient)) ?? point;
  const [row, column] = graded.pixelSpacing ?? [1, 1];
  return [x * column, y * row];
}

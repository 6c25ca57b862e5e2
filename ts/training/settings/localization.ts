/** Settings of the localizer of disc centres. */
import { z } from 'zod';
import { LOCALIZER_KINDS } from '../../model/localizerKinds.js';
import { networkWidth, stageStrides } from '../../model/networkLimits.js';
import { count, fraction, optimizer, positive, positiveFraction, setting } from './fields.js';

export const localization = z.strictObject({
  network: setting(
    z.enum(LOCALIZER_KINDS),
    'unet',
    'A U-Net whose maps show the discs, or the coordinate regression of the paper as the baseline.',
  ),
  unet: z
    .strictObject({
      width: setting(networkWidth, 16, 'Channels at full resolution, doubled at each level.'),
      levels: setting(
        z.number().int().min(2).max(6),
        5,
        'Number of resolutions. At the fifth one a pixel sees the sacrum and the neighbouring discs, which names L5/S1.',
      ),
      outputStride: setting(
        z.literal([1, 2]),
        2,
        'Pixels of the slice per pixel of a map. 2 halves the time; peaks are located between pixels.',
      ),
    })
    .prefault({}),
  sigma: setting(
    positiveFraction,
    0.0156,
    'Standard deviation of the Gaussian around a disc centre, as a fraction of the side; about 4 mm.',
  ),
  centreWeight: setting(
    z.number().min(1),
    10,
    'Weight of the centre of a disc in the loss relative to the background, because discs cover few pixels.',
  ),
  sacralWeight: setting(
    positive,
    3,
    'Weight of the map of L5/S1 relative to the others; it is the hardest one, and all names depend on it.',
  ),
  regression: z
    .strictObject({
      width: setting(
        networkWidth,
        16,
        'Channels of the first stage of the ResNet; localization needs fewer than grading.',
      ),
      strides: setting(stageStrides, [1, 2, 1], 'Stride of each stage.'),
      beta: setting(
        positive,
        0.02,
        'Transition of smooth L1 from quadratic to linear, as a fraction of the side; 2.6 of 128 pixels.',
      ),
    })
    .prefault({})
    .describe('Of the network `regression`.'),
  augmentation: z
    .strictObject({
      rotation: setting(
        z.number().min(0).max(180),
        15,
        'Maximum rotation in degrees; models the position of the patient.',
      ),
      scale: setting(fraction, 0.25, 'Maximum relative change of scale; models the field of view.'),
      translation: setting(
        fraction,
        0.15,
        'Maximum shift as a fraction of the side; models the position of the spine in the field of view.',
      ),
      flip: setting(
        fraction,
        0.5,
        'Probability of an anterior-posterior flip. Headers can be wrong about the orientation, so the network learns both.',
      ),
      upend: setting(
        fraction,
        0,
        'Probability of a superior-inferior flip. Off, because it costs accuracy; predict compares both orientations instead.',
      ),
      invert: setting(
        fraction,
        0.15,
        'Probability of inverted intensities; T1, T2, STIR and fat saturation differ in which tissue is bright.',
      ),
      tone: setting(
        fraction,
        0.15,
        'Maximum displacement of the control points of a random tone curve; models unknown sequences.',
      ),
      gamma: setting(
        z.number().min(0).max(7),
        0.5,
        'Maximum relative change of the exponent; models coils and sequences.',
      ),
      contrast: setting(z.number().min(0).max(7), 0.4, 'Maximum relative change of contrast.'),
      brightness: setting(fraction, 0.1, 'Maximum intensity offset.'),
      blur: setting(z.number().min(0), 1, 'Maximum sigma of Gaussian blur in pixels.'),
      noise: setting(fraction, 0.04, 'Maximum sigma of Rician noise, for intensities from 0 to 1.'),
      cutout: setting(
        fraction,
        0.3,
        'Probability of a black rectangle; models metal artefacts, saturation bands and small fields of view.',
      ),
      cutoutSize: setting(
        positiveFraction,
        0.4,
        'Maximum side of that rectangle as a fraction of the slice side.',
      ),
    })
    .prefault({}),
  epochs: setting(
    z.number().int().min(0),
    100,
    'Passes over the training slices; with 70 slices and batches of 8 about 850 steps.',
  ),
  phantoms: setting(
    z.number().int().min(0).max(9999),
    0,
    'Synthetic slices with exact disc centres that are mixed into the training slices, for data sets with few patients whose points are disc centres.',
  ),
  batch: setting(count, 8, 'Slices per batch; small, so that few slices give many steps.'),
  ...optimizer(3e-3, 1e-3),
});

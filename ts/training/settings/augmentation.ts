/** Settings of the augmented views of a disc. */
import { z } from 'zod';
import { fraction, positiveFraction, setting } from './fields.js';

export const augmentation = z.strictObject({
  rotation: setting(
    z.number().min(0).max(180),
    10,
    'Maximum rotation in degrees; the tilt of a lumbar level varies by about this much.',
  ),
  scale: setting(fraction, 0.15, 'Maximum relative change of scale; models body size.'),
  translation: setting(
    fraction,
    0.06,
    'Maximum shift as a fraction of the side; readers differ on a disc centre by about this much.',
  ),
  flip: setting(
    fraction,
    0,
    'Probability of an anterior-posterior flip. Off, because anterior is left in every crop.',
  ),
  blur: setting(
    z.number().min(0),
    0.8,
    'Maximum sigma of Gaussian blur in pixels; models in-plane resolution.',
  ),
  invert: setting(
    fraction,
    0,
    'Probability of inverted intensities. Off, because the signal of a disc is a part of its grade.',
  ),
  tone: setting(
    fraction,
    0,
    'Maximum displacement of the control points of a random tone curve; models other sequences. Above 0.125 the curve can fall.',
  ),
  gamma: setting(fraction, 0.25, 'Maximum relative change of the exponent.'),
  contrast: setting(fraction, 0.25, 'Maximum relative change of contrast; models TE and windowing.'),
  brightness: setting(fraction, 0.1, 'Maximum intensity offset; models coil sensitivity.'),
  noise: setting(fraction, 0.04, 'Maximum sigma of Rician noise, for intensities from 0 to 1.'),
  cutout: setting(
    fraction,
    0.3,
    'Probability of a blanked rectangle, so that no single edge decides the grade.',
  ),
  cutoutSize: setting(positiveFraction, 0.3, 'Maximum side of that rectangle as a fraction of the ROI side.'),
});

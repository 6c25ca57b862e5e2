import { expectArguments, optionsOf } from '../../arguments.js';
import { expectNumber, expectOneOf, expectPair, type Pair } from '../check.js';
import { contract } from '../contract.js';
import { PURPOSE, philox, uniform } from '../philox.js';
import { expectTensor, type Tensor } from '../tensor.js';

const FILLS = ['mean', 'zero'] as const;
const FORWARD = contract('augment.forward', {
  bank: 'input',
  indices: 'input',
  y: 'output',
  seed: 'uint32',
  step: 'uint32',
  pitch: 'real',
  rotation: 'real',
  scale: 'real',
  shear: 'real',
  translation: 'real',
  flip: 'real',
  upend: 'real',
  blur: 'real',
  invert: 'real',
  tone: 'real',
  gamma: 'real',
  contrast: 'real',
  brightness: 'real',
  noise: 'real',
  cutout: 'real',
  cutoutSize: 'real',
  cutoutFill: FILLS,
  mean: 'real',
  deviation: 'real',
});

/** The views of one call are a pure function of these keys and of their row: two rows of one image give two views. */
export interface AugmentKeys {
  /** 32 bits. */
  seed: number;
  /** Training step, 32 bits. */
  step: number;
}

/**
 * Strengths of the augmentation, in the order of application. The default is none: the view is the normalized central
 * crop, as evaluation uses it. Intensities are those of the bank, from 0 to 1 (65535).
 */
export interface AugmentOptions {
  /** Height and width of the views in pixels. Default: those of the bank. */
  outSize?: Pair;
  /** Pixels of the bank that one pixel of the view spans. Default 1: the views are crops. */
  pitch?: number;
  /** Maximum angle in degrees, uniform in both directions. */
  rotation?: number;
  /** Maximum magnification minus 1: the factor is log-uniform from 1 / (1 + scale) to 1 + scale. */
  scale?: number;
  /** Maximum horizontal shear (tangent of its angle), uniform in both directions. */
  shear?: number;
  /** Maximum shift in pixels of the bank, uniform in both directions, along each axis. */
  translation?: number;
  /** Probability of the anterior-posterior flip (columns mirrored). */
  flip?: number;
  /** Probability of the superior-inferior flip (rows mirrored). */
  upend?: number;
  /** Maximum standard deviation of the Gaussian blur in pixels of the view; uniform from 0. */
  blur?: number;
  /** Probability that intensities are inverted: 1 - x. */
  invert?: number;
  /**
   * Maximum displacement of the five control points of the tone curve, a Bezier polynomial of degree 4 from [0, 1] to
   * [0, 1]: control point k is k / 4 plus a uniform number, clipped. Above 0.125 the curve can fall.
   */
  tone?: number;
  /** x^g with g log-uniform from 1 / (1 + gamma) to 1 + gamma. */
  gamma?: number;
  /** (x - mean) c + mean about the view's mean, c log-uniform from 1 / (1 + contrast) to 1 + contrast; then clipped at 0. */
  contrast?: number;
  /** Maximum added intensity, uniform in both signs; then clipped at 0. */
  brightness?: number;
  /** Maximum standard deviation of the Rician noise (of each of its two Gaussians) in intensity; uniform from 0. */
  noise?: number;
  /** Probability that one rectangle is blanked. */
  cutout?: number;
  /** Maximum side of that rectangle as a fraction of the view; each side is uniform from half of it. Default 0.3. */
  cutoutSize?: number;
  /** Value of the rectangle: the mean of the view, or intensity 0. Default mean. */
  cutoutFill?: (typeof FILLS)[number];
  /** The result is (x - mean) / std; from -1e6 to 1e6. Default 0. */
  mean?: number;
  /** From 1e-6 to 1e6. Default 1. */
  std?: number;
}

export const NO_AUGMENTATION = {
  pitch: 1,
  rotation: 0,
  scale: 0,
  shear: 0,
  translation: 0,
  flip: 0,
  upend: 0,
  blur: 0,
  invert: 0,
  tone: 0,
  gamma: 0,
  contrast: 0,
  brightness: 0,
  noise: 0,
  cutout: 0,
  cutoutSize: 0.3,
  cutoutFill: 'mean',
  mean: 0,
  std: 1,
} as const satisfies Required<Omit<AugmentOptions, 'outSize'>>;

const WORD = { min: 0, max: 2 ** 32 - 1, integer: true };

const RANGES = {
  pitch: { above: 0, max: 64 },
  rotation: { min: 0, max: 180 },
  scale: { min: 0, max: 7 },
  shear: { min: 0, max: 2 },
  translation: { min: 0, max: 4096 },
  flip: { min: 0, max: 1 },
  upend: { min: 0, max: 1 },
  blur: { min: 0, max: 16 },
  invert: { min: 0, max: 1 },
  tone: { min: 0, max: 1 },
  gamma: { min: 0, max: 7 },
  contrast: { min: 0, max: 7 },
  brightness: { min: 0, max: 1 },
  noise: { min: 0, max: 1 },
  cutout: { min: 0, max: 1 },
  cutoutSize: { above: 0, max: 1 },
} as const;

type Strengths = Required<Omit<AugmentOptions, 'outSize'>>;

interface Checked {
  bank: readonly [height: number, width: number];
  strengths: Strengths;
  size: readonly [height: number, width: number];
  seed: number;
  step: number;
}

const KEYS = { seed: undefined, step: undefined };
const DEFAULTS = { outSize: undefined, ...NO_AUGMENTATION };

type Given = AugmentKeys & Strengths & Pick<AugmentOptions, 'outSize'>;

const given = (name: string, keys: AugmentKeys, options: AugmentOptions): Given => ({
  ...optionsOf(name, options, DEFAULTS),
  ...optionsOf(name, keys, KEYS),
});

function check(name: string, bankSize: Pair, { outSize, seed, step, ...strengths }: Given): Checked {
  const bank = expectPair(name, 'size of the bank', bankSize, 1);
  const size = expectPair(name, 'outSize', outSize ?? bank, 1);
  for (const side of [...bank, ...size]) expectNumber(name, 'side of an image', side, { max: 4096 });
  expectNumber(name, 'seed', seed, WORD);
  expectNumber(name, 'step', step, WORD);
  for (const [strength, range] of Object.entries(RANGES)) {
    expectNumber(name, strength, strengths[strength as keyof typeof RANGES], range);
  }
  // Such a narrow kernel is one pixel, and its exponents would overflow float32.
  if (strengths.blur < 1e-3) strengths.blur = 0;
  expectOneOf(name, 'cutoutFill', strengths.cutoutFill, FILLS);
  expectNumber(name, 'mean', strengths.mean, { min: -1e6, max: 1e6 });
  expectNumber(name, 'std', strengths.std, { min: 1e-6, max: 1e6 });
  return { bank, strengths, size, seed, step };
}

/**
 * Augmented views of 16-bit images: random affine map by bilinear resampling (the border is extended by its nearest
 * pixel), anterior-posterior and superior-inferior flip, Gaussian blur, inversion and tone curve, gamma, contrast and
 * brightness, Rician noise, cutout, normalization. A view is a pure function of (image, seed, step, row), equal on every
 * device and for any number of threads. Disabling one choice does not change the others. There is no gradient.
 *
 * @param bank uint16 [M, H, W], sides at most 4096, anterior on the left
 * @param indices int32 [N]: the image of each row; outside 0..M-1 the next read rejects with `ERR_INDEX`
 * @returns float32 [N, 1, outH, outW]
 *
 * @example
 * const bank = device.tensor(new Uint16Array(2 * 96 * 96), [2, 96, 96]);
 * const rows = device.tensor(Int32Array.of(0, 1, 0));
 * const views = augment(bank, rows, { seed: 1, step: 0 }, { rotation: 10, noise: 0.04 }); // [3, 1, 96, 96]
 */
export function augment(
  bank: Tensor,
  indices: Tensor,
  keys: AugmentKeys,
  options: AugmentOptions = {},
): Tensor {
  expectArguments('augment', arguments.length, 4);
  const checked = given('augment', keys, options);
  const [, height, width] = expectTensor('augment', 'bank', bank, {
    dtype: 'uint16',
    shape: [null, null, null],
  }) as [number, number, number];
  const { device } = bank;
  const [n] = expectTensor('augment', 'indices', indices, { dtype: 'int32', shape: [null], device });
  const { strengths, size, seed, step } = check('augment', [height, width], checked);
  const y = device.empty([n!, 1, ...size]);
  device.run(FORWARD, {
    bank,
    indices,
    y,
    seed,
    step,
    pitch: strengths.pitch,
    rotation: strengths.rotation,
    scale: strengths.scale,
    shear: strengths.shear,
    translation: strengths.translation,
    flip: strengths.flip,
    upend: strengths.upend,
    blur: strengths.blur,
    invert: strengths.invert,
    tone: strengths.tone,
    gamma: strengths.gamma,
    contrast: strengths.contrast,
    brightness: strengths.brightness,
    noise: strengths.noise,
    cutout: strengths.cutout,
    cutoutSize: strengths.cutoutSize,
    cutoutFill: strengths.cutoutFill,
    mean: strengths.mean,
    deviation: strengths.std,
  });
  return y;
}

/**
 * The affine map of the view of a row: its pixel (u, v) samples the bank at x = a u + b v + c, y = d u + e v + f. Use it
 * for targets that move with the pixels, such as the coordinates of disc centres.
 *
 * @param bankSize height and width of the bank's images
 *
 * @example
 * const [a, b, c] = augmentGeometry([96, 96], 0, { seed: 1, step: 0 }, { rotation: 10 });
 * const x = a * u + b * v + c; // column in the bank of the view's pixel (u, v)
 */
export function augmentGeometry(
  bankSize: Pair,
  row: number,
  keys: AugmentKeys,
  options: AugmentOptions = {},
): [a: number, b: number, c: number, d: number, e: number, f: number] {
  expectArguments('augmentGeometry', arguments.length, 4);
  const checked = check('augmentGeometry', bankSize, given('augmentGeometry', keys, options));
  const { bank, strengths: strength, size, seed, step } = checked;
  const [height, width] = bank;
  const [outHeight, outWidth] = size;
  expectNumber('augmentGeometry', 'row', row, WORD);
  const numbers = [0, 1, 4].flatMap((block) =>
    philox([seed, PURPOSE.augmentView], [block, row, step, 0]).map(uniform),
  );
  const symmetric = (index: number, most: number): number => (2 * numbers[index]! - 1) * most;
  const angle = (symmetric(0, strength.rotation) * Math.PI) / 180;
  const pitch = strength.pitch / Math.exp(symmetric(1, Math.log1p(strength.scale)));
  const shear = symmetric(4, strength.shear);
  const mirror = numbers[5]! < strength.flip ? -1 : 1;
  const upend = numbers[8]! < strength.upend ? -1 : 1;
  const [cosine, sine] = [Math.cos(angle), Math.sin(angle)];
  const a = pitch * cosine * mirror;
  const b = pitch * (cosine * shear - sine) * upend;
  const d = pitch * sine * mirror;
  const e = pitch * (sine * shear + cosine) * upend;
  const [u, v] = [(outWidth - 1) / 2, (outHeight - 1) / 2];
  const c = (width - 1) / 2 + symmetric(2, strength.translation) - (a * u + b * v);
  const f = (height - 1) / 2 + symmetric(3, strength.translation) - (d * u + e * v);
  return [a, b, c, d, e, f];
}

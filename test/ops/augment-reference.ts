/**
 * Reference implementation of augment() in float64, written from its documentation. Parameters come from Philox blocks
 * 0..5 with key (seed, augmentView) and counter (block, row, step), noise from key (seed, augmentNoise).
 */
import { type AugmentKeys, type AugmentOptions, NO_AUGMENTATION } from '#spinegrad/engine/ops/augment.js';
import { PURPOSE, philox, uniform } from '#spinegrad/engine/philox.js';

export interface Image {
  height: number;
  width: number;
  values: ArrayLike<number>;
}

type Pixels = Float64Array;
const clamp = (value: number, low: number, high: number): number => Math.min(Math.max(value, low), high);

export interface ViewParameters {
  rotation: number;
  scale: number;
  translation: [number, number];
  shear: number;
  flip: boolean;
  upend: boolean;
  blur: number;
  /** Control points of the tone curve. */
  tone: number[];
  gamma: number;
  contrast: number;
  brightness: number;
  noise: number;
  cutout: { x: number; y: number; width: number; height: number } | null;
}

export function viewParameters(
  keys: AugmentKeys,
  row: number,
  options: AugmentOptions,
  [height, width]: readonly [number, number],
): ViewParameters {
  const o = { ...NO_AUGMENTATION, ...options };
  const u = [0, 1, 2, 3, 4, 5].flatMap((block) =>
    philox([keys.seed, PURPOSE.augmentView], [block, row, keys.step, 0]).map(uniform),
  ) as number[];
  const symmetric = (i: number, limit: number): number => (2 * u[i]! - 1) * limit;
  const factor = (i: number, limit: number): number => (1 + limit) ** (2 * u[i]! - 1);
  const side = (i: number, length: number): number =>
    Math.max(1, Math.round(o.cutoutSize * length * (0.5 + u[i]! / 2)));
  const [w, h] = [side(12, width), side(13, height)];
  return {
    rotation: symmetric(0, o.rotation),
    scale: factor(1, o.scale),
    translation: [symmetric(2, o.translation), symmetric(3, o.translation)],
    shear: symmetric(4, o.shear),
    flip: u[5]! < o.flip,
    upend: u[16]! < o.upend,
    tone: [0, 1, 2, 3, 4].map((k) => {
      const control = clamp(k / 4 + symmetric(18 + k, o.tone), 0, 1);
      return u[17]! < o.invert ? 1 - control : control;
    }),
    brightness: symmetric(6, o.brightness),
    contrast: factor(7, o.contrast),
    gamma: factor(8, o.gamma),
    blur: u[9]! * o.blur,
    noise: u[10]! * o.noise,
    cutout:
      u[11]! < o.cutout
        ? {
            x: Math.floor(u[14]! * (width - w + 1)),
            y: Math.floor(u[15]! * (height - h + 1)),
            width: w,
            height: h,
          }
        : null,
  };
}

function bilinear({ height, width, values }: Image, x: number, y: number): number {
  const [cx, cy] = [clamp(x, 0, width - 1), clamp(y, 0, height - 1)];
  const [ix, iy] = [Math.floor(cx), Math.floor(cy)];
  const at = (column: number, row: number): number =>
    values[Math.min(row, height - 1) * width + Math.min(column, width - 1)]! / 65535;
  const above = at(ix, iy) * (1 - (cx - ix)) + at(ix + 1, iy) * (cx - ix);
  const below = at(ix, iy + 1) * (1 - (cx - ix)) + at(ix + 1, iy + 1) * (cx - ix);
  return above * (1 - (cy - iy)) + below * (cy - iy);
}

function blur(pixels: Pixels, height: number, width: number, deviation: number): Pixels {
  const radius = Math.ceil(3 * deviation);
  const taps = Array.from({ length: 2 * radius + 1 }, (_, k) =>
    Math.exp(-((k - radius) ** 2) / (2 * deviation ** 2)),
  );
  const sum = taps.reduce((total, tap) => total + tap, 0);
  return pixels.map((_, index) => {
    const [v, u] = [Math.floor(index / width), index % width];
    let value = 0;
    for (let j = -radius; j <= radius; j++) {
      for (let i = -radius; i <= radius; i++) {
        const source = clamp(v + j, 0, height - 1) * width + clamp(u + i, 0, width - 1);
        value += (taps[i + radius]! / sum) * (taps[j + radius]! / sum) * pixels[source]!;
      }
    }
    return value;
  });
}

function addRicianNoise(pixels: Pixels, keys: AugmentKeys, row: number, deviation: number): Pixels {
  return pixels.map((value, index) => {
    const [group, i] = [Math.floor(index / 512), index % 512];
    const block = philox([keys.seed, PURPOSE.augmentNoise], [256 * group + (i % 256), row, keys.step, 0]);
    const word = Math.floor(i / 256);
    const radius = deviation * Math.sqrt(-2 * Math.log(uniform(block[word]!) + 2 ** -24));
    const angle = 2 * Math.PI * uniform(block[word + 2]!);
    return Math.hypot(value + radius * Math.cos(angle), radius * Math.sin(angle));
  });
}

/** De Casteljau's algorithm. */
function bezier(points: readonly number[], x: number): number {
  if (points.length === 1) return points[0]!;
  return bezier(
    points.slice(1).map((point, k) => (1 - x) * points[k]! + x * point),
    x,
  );
}

const meanOf = (pixels: Pixels): number => pixels.reduce((sum, value) => sum + value, 0) / pixels.length;

/** Returns one view of `image`, row-major. */
export function referenceView(image: Image, keys: AugmentKeys, row: number, options: AugmentOptions): Pixels {
  const size = (options.outSize ?? [image.height, image.width]) as number | [number, number];
  const [height, width] = typeof size === 'number' ? [size, size] : size;
  const o = { ...NO_AUGMENTATION, ...options };
  const p = viewParameters(keys, row, options, [height, width]);

  const [cosine, sine] = [Math.cos((p.rotation * Math.PI) / 180), Math.sin((p.rotation * Math.PI) / 180)];
  let pixels: Pixels = Float64Array.from({ length: height * width }, (_, index) => {
    const u = ((index % width) - (width - 1) / 2) * (p.flip ? -1 : 1);
    const v = (Math.floor(index / width) - (height - 1) / 2) * (p.upend ? -1 : 1);
    const sheared = u + p.shear * v;
    const pitch = o.pitch / p.scale;
    const x = (image.width - 1) / 2 + p.translation[0] + pitch * (cosine * sheared - sine * v);
    const y = (image.height - 1) / 2 + p.translation[1] + pitch * (sine * sheared + cosine * v);
    return bilinear(image, x, y);
  });
  if (p.blur > 0) pixels = blur(pixels, height, width, p.blur);
  pixels = pixels.map((value) => Math.max(0, bezier(p.tone, value)) ** p.gamma);
  const mean = meanOf(pixels);
  if (p.contrast !== 1 || p.brightness !== 0) {
    pixels = pixels.map((value) => Math.max(0, (value - mean) * p.contrast + mean + p.brightness));
  }
  if (p.noise > 0) pixels = addRicianNoise(pixels, keys, row, p.noise);
  if (p.cutout) {
    const fill = o.cutoutFill === 'mean' ? meanOf(pixels) : 0;
    for (let v = p.cutout.y; v < p.cutout.y + p.cutout.height; v++) {
      pixels.fill(fill, v * width + p.cutout.x, v * width + p.cutout.x + p.cutout.width);
    }
  }
  return pixels.map((value) => (value - o.mean) / o.std);
}

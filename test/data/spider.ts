/**
 * Disc centres of the SPIDER slices, from their vertebra masks. The centre of a vertebral body is the thickest part of
 * its mask, because processes and pedicles are thin. The centre of a disc is the midpoint of two neighbouring bodies.
 * The slices are stored upside down, with the sacrum at the top; the results are flipped to superior up.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { decode } from 'fast-png';
import type { Level, Point } from '#spinegrad/anatomy.js';
import { readPng } from '#spinegrad/data/png.js';
import type { SourceSlice } from '#spinegrad/data/series.js';

export interface SpiderSlice {
  slice: SourceSlice;
  /** Discs between two labelled vertebrae, in pixels of `slice`. The sacrum has no mask, so there is no L5/S1. */
  centres: Map<Level, Point>;
}

/** The slices near the midline. Their centres were checked visually. */
export const SPIDER_MIDDLE_SLICES = [
  ...['10008_12', '10009_4', '10009_7', '10009_11', '10016_12', '10019_9', '10019_10', '10025_11', '10030_2'],
].map((name) => `${name}.png`);

/** Mask colours (RGB). */
const VERTEBRAE = { L5: 'ff0000', L4: '00ff00', L3: '0000ff', L2: 'ffff00', L1: 'ff00ff' };

const DISCS: [Level, keyof typeof VERTEBRAE, keyof typeof VERTEBRAE][] = [
  ['L1/L2', 'L1', 'L2'],
  ['L2/L3', 'L2', 'L3'],
  ['L3/L4', 'L3', 'L4'],
  ['L4/L5', 'L4', 'L5'],
];

/** Minimum half thickness of a body in pixels. Thinner masks show a process, or a slice lateral to the bodies. */
const MIN_DEPTH = 8;

/**
 * @param testData value of SPINEGRAD_TEST_DATA
 * @param name such as `10009_11.png`
 * @param spacing assumed pixel spacing in mm; the files have none
 */
export async function readSpider(testData: string, name: string, spacing = 0.7): Promise<SpiderSlice> {
  const slice = await readPng(join(testData, 'spider-slices/images', name), [spacing, spacing]);
  const mask = decode(await readFile(join(testData, 'spider-slices/masks', name)));
  const { width, height, channels } = mask;
  const colour = (i: number) =>
    [0, 1, 2].map((c) => mask.data[i * channels + c]!.toString(16).padStart(2, '0')).join('');
  const colours = Array.from({ length: width * height }, (_, i) => colour(i));
  const body = (name: keyof typeof VERTEBRAE) =>
    thickest(
      colours.map((value) => value === VERTEBRAE[name]),
      width,
    );
  const centres = new Map<Level, Point>();
  for (const [level, above, below] of DISCS) {
    const [a, b] = [body(above), body(below)];
    if (a && b) centres.set(level, [(a[0] + b[0]) / 2, height - 1 - (a[1] + b[1]) / 2]);
  }
  const { columns, rows, pixels } = slice;
  const upright = pixels.map(
    (_, i) => pixels[(rows - 1 - Math.floor(i / columns)) * columns + (i % columns)]!,
  );
  return { slice: { ...slice, pixels: upright }, centres };
}

/** Mean position of the pixels whose distance to the outside is at least 0.7 of the maximum. */
function thickest(inside: boolean[], width: number): Point | null {
  // City-block distance to the outside in two passes.
  const depth = inside.map((is) => (is ? Number.POSITIVE_INFINITY : 0));
  const relax = (i: number, a: number, b: number) => {
    depth[i] = Math.min(depth[i]!, 1 + Math.min(depth[a] ?? 0, depth[b] ?? 0));
  };
  for (let i = 0; i < depth.length; i++) relax(i, i - 1, i - width);
  for (let i = depth.length - 1; i >= 0; i--) relax(i, i + 1, i + width);
  const maximum = depth.reduce((a, b) => Math.max(a, b), 0);
  if (maximum < MIN_DEPTH) return null;
  const core = depth.flatMap((d, i) => (d >= 0.7 * maximum ? [i] : []));
  const mean = (f: (i: number) => number) => core.reduce((sum, i) => sum + f(i), 0) / core.length;
  return [mean((i) => i % width), mean((i) => Math.floor(i / width))];
}

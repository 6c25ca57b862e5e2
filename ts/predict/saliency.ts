/** The saliency of the grades of one task, and their sheet: a column per level with crop, Grad-CAM and input gradients. */
import type { Level, Side } from '../anatomy.js';
import { Canvas, GREY, TEXT_HEIGHT, textWidth } from '../data/drawing.js';
import type { Device } from '../engine/device.js';
import { heatOver } from '../io/heat.js';
import type { Model } from '../model/bundle.js';
import type { Slots } from '../model/fusion/input.js';
import { cropInputs } from '../model/grade.js';
import { type SaliencyMaps, saliency } from '../model/saliency.js';
import type { Cuts } from './cutDiscs.js';
import type { CutGrade } from './gradeCuts.js';

/** The crop of a level, and the maps of its predicted grade. */
export interface LevelSaliency extends SaliencyMaps {
  level: Level;
  side: Side | null;
  grade: string;
  /** uint16 [size, size], as the grader saw it. */
  crop: Uint16Array;
  size: number;
}

/**
 * Explains the predicted grades of the first task that was graded.
 *
 * @param grades of `gradeCuts`
 */
export async function explain(
  device: Device,
  { description, arms }: Model,
  { crops, discs }: Cuts,
  grades: ReadonlyMap<Level, readonly CutGrade[]>,
): Promise<LevelSaliency[]> {
  const { tasks } = description.trainedOn;
  const task = tasks.findIndex(({ id }) => discs.some((disc) => disc.tasks.includes(id)));
  if (task < 0) return [];
  const { id, grades: scale } = tasks[task]!;
  const shown = discs.flatMap((disc, row) => (disc.tasks.includes(id) ? [{ ...disc, row }] : []));
  const named = shown.map(
    ({ level, side }) => grades.get(level)!.find((grade) => grade.task === id && grade.side === side)!.grade,
  );
  const ofDiscs = shown.map(({ row }) => crops.discs[row]!);
  const slots = ofDiscs.map((disc) => shownSlot(disc, description.input.spec.slices));
  // A study has fewer discs than a batch.
  const [makeInput] = cropInputs(device, { ...crops, discs: ofDiscs }, description.input);
  const maps = await saliency(arms[0]!.grader, makeInput!, {
    task,
    grades: named.map((name) => scale.findIndex((grade) => grade.name === name)),
    slots,
  });
  const area = crops.size ** 2;
  return shown.map(({ level, side }, i) => {
    const row = ofDiscs[i]![slots[i]!]!;
    const crop = crops.pixels.subarray(row * area, (row + 1) * area);
    return { level, side, grade: named[i]!, crop, size: crops.size, ...maps[i]! };
  });
}

/** The middle slice of the first series that shows the disc, or its first crop. */
function shownSlot(slots: Slots, slices: number): number {
  const middle = slots.findIndex((row, slot) => row !== null && slot % slices === (slices - 1) / 2);
  return middle >= 0 ? middle : slots.findIndex((row) => row !== null);
}

const ROWS = ['crop', 'Grad-CAM', 'gradients'];
/** Minimum side of a crop in the sheet, in pixels. */
const MIN_SIDE = 160;
const GAP = 8;
const LINE = TEXT_HEIGHT + 5;

/**
 * Draws the crop of each level, Grad-CAM and the input gradients below each other.
 *
 * @param levels at least one
 * @returns a PNG
 */
export function saliencySheet(levels: readonly LevelSaliency[]): Uint8Array {
  const { size } = levels[0]!;
  const zoom = Math.max(1, Math.ceil(MIN_SIDE / size));
  const side = size * zoom;
  const left = GAP + Math.max(...ROWS.map((name) => textWidth(name))) + GAP;
  const top = GAP + 2 * LINE;
  const note = 'what the network is sensitive to; research only';
  const width = Math.max(left + levels.length * (side + GAP), GAP + textWidth(note));
  const canvas = new Canvas(width, top + ROWS.length * (side + GAP) + LINE);
  for (const [row, name] of ROWS.entries()) canvas.text(name, GAP, top + row * (side + GAP), GREY);
  for (const [column, { level, side: half, grade, crop, gradCam, gradient }] of levels.entries()) {
    const x = left + column * (side + GAP);
    canvas.text(half === null ? level : `${level} ${half}`, x, GAP);
    canvas.text(grade, x, GAP + LINE);
    for (const [row, map] of [new Float32Array(size * size), gradCam, gradient].entries()) {
      canvas.colours(heatOver(crop, map), size, x, top + row * (side + GAP), zoom);
    }
  }
  canvas.text(note, GAP, canvas.height - LINE, GREY);
  return canvas.png();
}

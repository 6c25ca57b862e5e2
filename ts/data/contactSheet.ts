/** The contact sheet of a bank: ROIs of each level (rows) and grade (columns), with a dot at the disc centre. */

import { taskOf } from '../tasks/index.js';
import { applyAffine, invertAffine } from './affine.js';
import { Canvas, type Colour, GREY, gradeColours, WHITE } from './drawing.js';
import type { BankManifest, RoiRecord } from './types.js';

const PER_CELL = 4;
const GAP = 4;
const LEFT = 76;
const TOP = 48;

/**
 * Renders the sheet as a PNG. The discs of a cell are evenly spaced in the bank, so that they are of different studies.
 */
export function contactSheet({ manifest, rois }: { manifest: BankManifest; rois: Uint16Array }): Uint8Array {
  const task = taskOf(manifest.task);
  const colours = gradeColours(task);
  const { size } = manifest.roi;
  const cell = PER_CELL * (size + GAP) + 2 * GAP;
  const canvas = new Canvas(LEFT + task.grades.length * cell, TOP + task.levels.length * (size + GAP));
  const discs = manifest.rois.filter((record) => record.sliceOffset === 0);
  const { mode, extentMm } = manifest.roi;
  const scale = mode === 'mm' ? `${extentMm} mm` : 'native pixels';
  const title = `${task.title}: ${manifest.discs} discs, ${scale}`;
  canvas.text(`${title}${manifest.synthetic ? ', SYNTHETIC' : ''}`, GAP, GAP, GREY, 2);
  for (const [column, { name }] of task.grades.entries()) {
    const left = LEFT + column * cell;
    const count = discs.filter((record) => record.grade === column).length;
    canvas.text(`${name} (${count})`, left, TOP - 20, colours[column]!, 2);
    for (const [row, level] of task.levels.entries()) {
      const top = TOP + row * (size + GAP);
      if (column === 0) canvas.text(level, GAP, top + size / 2 - 7, WHITE, 2);
      const shown = discs.filter((record) => record.grade === column && record.level === level);
      for (const [i, record] of sampleEvenly(shown, PER_CELL).entries()) {
        draw(canvas, record, rois, size, left + i * (size + GAP), top, colours[column]!);
      }
    }
  }
  return canvas.png();
}

function draw(
  canvas: Canvas,
  record: RoiRecord,
  rois: Uint16Array,
  size: number,
  left: number,
  top: number,
  colour: Colour,
): void {
  canvas.image(rois.subarray(record.row * size * size, (record.row + 1) * size * size), size, left, top);
  const [u, v] = applyAffine(invertAffine(record.toImage), record.centrePx);
  canvas.dot([left + u, top + v], 2, colour);
}

function sampleEvenly<T>(values: readonly T[], count: number): T[] {
  if (values.length <= count) return [...values];
  return Array.from({ length: count }, (_, i) => values[Math.floor((i * values.length) / count)]!);
}

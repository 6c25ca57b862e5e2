/** The contact sheet of a bank: per task the ROIs of each level (rows) and grade (columns), with a dot at the disc centre. */

import type { Task } from '../tasks/task.js';
import { applyAffine, invertAffine } from './affine.js';
import { Canvas, type Colour, GREY, gradeColours, WHITE } from './drawing.js';
import type { BankManifest, RoiRecord } from './types.js';

const PER_CELL = 4;
const GAP = 4;
const LEFT = 96;
const TOP = 48;

interface Sheet {
  manifest: BankManifest;
  rois: Uint16Array;
}

/**
 * Renders the sheet as a PNG. The discs of a cell are evenly spaced in the bank, so that they are of different studies.
 */
export function contactSheet({ manifest, rois }: Sheet): Uint8Array {
  const { size } = manifest.roi;
  const cell = PER_CELL * (size + GAP) + 2 * GAP;
  const first = manifest.rois.filter((record, row) => record.disc !== manifest.rois[row - 1]?.disc);
  const sections = manifest.tasks.map((task, index) => {
    const discs = first.filter(({ grades }) => grades[index] !== null);
    const levels = task.levels.filter((level) => discs.some((record) => record.level === level));
    return { task, index, discs, levels, height: TOP + levels.length * (size + GAP) };
  });
  const columns = Math.max(...sections.map(({ task }) => task.grades.length));
  const height = sections.reduce((sum, section) => sum + section.height, 0);
  const canvas = new Canvas(LEFT + columns * cell, height);
  let top = 0;
  for (const { task, index, discs, levels, height } of sections) {
    const colours = gradeColours(task);
    canvas.text(title(manifest, task, discs.length), GAP, top + GAP, GREY, 2);
    for (const [row, level] of levels.entries()) {
      canvas.text(level, GAP, top + TOP + row * (size + GAP) + size / 2 - 7, WHITE, 2);
    }
    for (const [column, { name }] of task.grades.entries()) {
      const left = LEFT + column * cell;
      const graded = discs.filter(({ grades }) => grades[index] === column);
      canvas.text(`${name} (${graded.length})`, left, top + TOP - 20, colours[column]!, 2);
      for (const [row, level] of levels.entries()) {
        const shown = sampleEvenly(
          graded.filter((record) => record.level === level),
          PER_CELL,
        );
        for (const [i, record] of shown.entries()) {
          const [x, y] = [left + i * (size + GAP), top + TOP + row * (size + GAP)];
          draw(canvas, record, rois, size, x, y, colours[column]!);
        }
      }
    }
    top += height;
  }
  return canvas.png();
}

function title({ roi, synthetic }: BankManifest, task: Task, discs: number): string {
  const scale = roi.mode === 'mm' ? `${roi.extentMm} mm` : 'native pixels';
  return `${task.title}: ${discs} discs, ${scale}${synthetic ? ', SYNTHETIC' : ''}`;
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

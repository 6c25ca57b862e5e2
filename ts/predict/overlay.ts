/** The slice as it is stored, with a dot, the level and the grade at each disc. */
import { Canvas, GRADE_COLOURS, TEXT_HEIGHT, textWidth, WHITE } from '../data/drawing.js';
import { intensityWindow } from '../data/resample.js';
import type { SourceSlice } from '../data/series.js';
import { GRADES } from '../data/types.js';
import type { LevelPrediction } from './predict.js';

/** @returns a PNG of the slice's size */
export function overlay(slice: SourceSlice, levels: readonly LevelPrediction[]): Uint8Array {
  const { columns, rows, pixels } = slice;
  const { low, high } = intensityWindow(pixels);
  const canvas = new Canvas(columns, rows);
  const grey = Uint16Array.from(pixels, (value) =>
    Math.round(65535 * Math.min(1, Math.max(0, (value - low) / (high - low)))),
  );
  canvas.image(grey, columns, 0, 0);
  const scale = Math.max(1, Math.round(Math.min(columns, rows) / 400));
  for (const { level, x, y, grade, probabilities } of levels) {
    const colour = GRADE_COLOURS[GRADES.indexOf(grade)]!;
    canvas.dot([x, y], 3 * scale, [0, 0, 0]);
    canvas.dot([x, y], 2 * scale, colour);
    const text = `${level} ${grade} ${probabilities[grade].toFixed(2)}`;
    const width = textWidth(text, scale);
    const right = x + 6 * scale;
    const left = Math.round(right + width <= columns ? right : x - 6 * scale - width);
    const top = Math.round(y - (TEXT_HEIGHT * scale) / 2);
    for (const [dx, dy] of [
      [1, 1],
      [-1, 1],
      [1, -1],
      [-1, -1],
    ] as const) {
      canvas.text(text, left + dx, top + dy, [0, 0, 0], scale);
    }
    canvas.text(text, left, top, grade === 'normal' ? WHITE : colour, scale);
  }
  return canvas.png();
}

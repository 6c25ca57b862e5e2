/** The stored slice, enlarged until text is legible, with a dot at each disc and its level and grade on the posterior side. */

import { Canvas, type Colour, GREY, gradeColours, TEXT_HEIGHT, textWidth, WHITE } from '../data/drawing.js';
import type { SourceSlice } from '../data/series.js';
import type { Prediction } from './predict.js';

/** Minimum length of the shorter side in pixels. */
const MIN_SIDE = 640;
const TEXT_SCALE = 2;
const LINE = TEXT_SCALE * (TEXT_HEIGHT + 3);
const GAP = 8;
const BLACK: Colour = [0, 0, 0];

/**
 * Draws the grades of `predict` on the slice that was graded.
 *
 * @returns a PNG whose sides are an integer multiple of the slice's
 */
export function overlay(slice: SourceSlice, { levels, orientation, model }: Prediction): Uint8Array {
  const { columns, rows } = slice;
  const zoom = Math.max(1, Math.ceil(MIN_SIDE / Math.min(columns, rows)));
  const canvas = new Canvas(columns * zoom, rows * zoom);
  canvas.image(enlarged(slice, zoom), canvas.width, 0, 0);

  const task = model.trainedOn.tasks[0]!;
  const colours = gradeColours(task);
  const toLeft = orientation.anterior === 'right';
  const discs = levels
    .map(({ level, grade, probabilities, x, y }) => ({
      text: `${level} ${grade} ${probabilities[grade]!.toFixed(2)}`,
      colour: colours[task.grades.findIndex(({ name }) => name === grade)]!,
      dot: [(x + 0.5) * zoom - 0.5, (y + 0.5) * zoom - 0.5] as const,
    }))
    .sort((a, b) => a.dot[1] - b.dot[1]);
  let nextTop = 0;
  for (const { text, colour, dot } of discs) {
    const top = Math.max(nextTop, Math.round(dot[1] - (TEXT_SCALE * TEXT_HEIGHT) / 2));
    nextTop = top + LINE;
    const width = textWidth(text, TEXT_SCALE);
    const left = toLeft ? GAP : canvas.width - GAP - width;
    const side = toLeft ? left + width + GAP / 2 : left - GAP;
    canvas.line(dot, [side, top + (TEXT_SCALE * TEXT_HEIGHT) / 2], colour);
    canvas.dot(dot, 6, BLACK);
    canvas.dot(dot, 4, colour);
    outlined(canvas, text, left, top, colour === colours[0] ? WHITE : colour);
  }
  const trained = model.trainedOn.synthetic ? 'model trained on synthetic images; ' : '';
  outlined(canvas, `${trained}research only`, GAP, canvas.height - LINE, GREY);
  return canvas.png();
}

function outlined(canvas: Canvas, text: string, left: number, top: number, colour: Colour): void {
  for (const dx of [-TEXT_SCALE, 0, TEXT_SCALE]) {
    for (const dy of [-TEXT_SCALE, 0, TEXT_SCALE]) canvas.text(text, left + dx, top + dy, BLACK, TEXT_SCALE);
  }
  canvas.text(text, left, top, colour, TEXT_SCALE);
}

function enlarged({ columns, rows, pixels, window }: SourceSlice, zoom: number): Uint16Array {
  const { low, high } = window;
  const grey = Uint16Array.from(pixels, (value) =>
    Math.round(65535 * Math.min(1, Math.max(0, (value - low) / (high - low)))),
  );
  const width = columns * zoom;
  return Uint16Array.from(
    { length: width * rows * zoom },
    (_, i) => grey[Math.floor(i / width / zoom) * columns + Math.floor((i % width) / zoom)]!,
  );
}

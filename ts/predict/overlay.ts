/**
 * The stored slice, enlarged until text is legible, with a dot at each disc, and its level and grade on the posterior
 * side. A doubtful grade has a ring instead of a dot, a dashed line and a question mark instead of its probability. Of several tasks one is shown, because
 * their grades in one line would hide the slice: the first that is graded on this slice, else the first that is graded.
 */
import type { Point } from '../anatomy.js';
import { Canvas, type Colour, GREY, gradeColours, TEXT_HEIGHT, textWidth, WHITE } from '../data/drawing.js';
import type { SourceSlice } from '../data/series.js';
import type { Task } from '../tasks/task.js';
import type { LevelPrediction, Prediction } from './prediction.js';

/** Minimum length of the shorter side in pixels. */
const MIN_SIDE = 640;
const TEXT_SCALE = 2;
const LINE = TEXT_SCALE * (TEXT_HEIGHT + 3);
const GAP = 8;
const DASH = 6;
/** Other grades of the set that are named; more names hide the slice. */
const MAX_OTHERS = 2;
const BLACK: Colour = [0, 0, 0];
const RING = { outer: 7, inner: 4 };

/**
 * Draws the grades of one task on the slice on which the discs were found.
 *
 * @returns a PNG whose sides are an integer multiple of the slice's
 */
export function overlay(slice: SourceSlice, prediction: Prediction): Uint8Array {
  const { levels, orientation, model, doubts } = prediction;
  const { columns, rows } = slice;
  const zoom = Math.max(1, Math.ceil(MIN_SIDE / Math.min(columns, rows)));
  const canvas = new Canvas(columns * zoom, rows * zoom);
  canvas.image(enlarged(slice, zoom), canvas.width, 0, 0);

  const { tasks, synthetic } = model.trainedOn;
  const toLeft = orientation.anterior === 'right';
  const task = shownTask(prediction);
  const labels = levels
    .map((found) => ({
      ...labelOf(found, task),
      colour: colourOf(found, task),
      dot: [(found.x + 0.5) * zoom - 0.5, (found.y + 0.5) * zoom - 0.5] as Point,
    }))
    .sort((a, b) => a.dot[1] - b.dot[1]);
  let nextTop = 0;
  for (const { text, colour, dot, doubtful } of labels) {
    const top = Math.max(nextTop, Math.round(dot[1] - (TEXT_SCALE * TEXT_HEIGHT) / 2));
    nextTop = top + LINE;
    const width = textWidth(text, TEXT_SCALE);
    const left = toLeft ? GAP : canvas.width - GAP - width;
    const end: Point = [toLeft ? left + width + GAP / 2 : left - GAP, top + (TEXT_SCALE * TEXT_HEIGHT) / 2];
    if (doubtful) dashed(canvas, dot, end, colour);
    else canvas.line(dot, end, colour);
    canvas.dot(dot, RING.outer + 2, BLACK);
    canvas.dot(dot, RING.outer, colour);
    if (doubtful) canvas.dot(dot, RING.inner, BLACK);
    outlined(canvas, text, left, top, colour);
  }
  const notes = [
    ...(tasks.length > 1 ? [task.title] : []),
    ...doubts.map(({ code }) => `? ${code.replaceAll('_', ' ')}`),
    `${synthetic ? 'model trained on synthetic images; ' : ''}research only`,
  ];
  notes.forEach((note, index) => {
    outlined(
      canvas,
      note,
      GAP,
      canvas.height - LINE * (notes.length - index),
      index < notes.length - 1 ? WHITE : GREY,
    );
  });
  return canvas.png();
}

function shownTask({ levels, slice, model }: Prediction): Task {
  const { tasks } = model.trainedOn;
  const isGraded = (task: Task, here: boolean) =>
    levels.some(({ grades }) =>
      grades.some(({ task: id, image }) => id === task.id && (!here || image.file === slice.file)),
    );
  return (
    tasks.find((task) => isGraded(task, true)) ?? tasks.find((task) => isGraded(task, false)) ?? tasks[0]!
  );
}

/**
 * Level, grade, its probability and the other grades of its set; the level only if the task does not grade it. A doubtful
 * grade has a question mark instead of its probability, which is that of another place or level if the localizer is wrong.
 */
export function labelOf(
  { level, grades, doubtful }: LevelPrediction,
  { id }: Pick<Task, 'id'>,
): { text: string; doubtful: boolean } {
  const found = grades.find(({ task }) => task === id);
  if (found === undefined) return { text: doubtful ? `${level} ?` : level, doubtful };
  if (found.doubtful) return { text: `${level} ${found.grade} ?`, doubtful: true };
  const others = found.set.filter((name) => name !== found.grade);
  const or = others.length > MAX_OTHERS ? ` (or ${others.length} others)` : ` (or ${others.join(', ')})`;
  const probability = found.probabilities[found.grade]!.toFixed(2);
  return { text: `${level} ${found.grade} ${probability}${others.length > 0 ? or : ''}`, doubtful: false };
}

function colourOf({ grades }: LevelPrediction, task: Task): Colour {
  const found = grades.find(({ task: id }) => id === task.id);
  return found ? gradeColours(task)[task.grades.findIndex(({ name }) => name === found.grade)]! : GREY;
}

function dashed(canvas: Canvas, from: Point, to: Point, colour: Colour): void {
  const length = Math.hypot(to[0] - from[0], to[1] - from[1]);
  const at = (distance: number): Point => {
    const fraction = Math.min(1, distance / length);
    return [from[0] + (to[0] - from[0]) * fraction, from[1] + (to[1] - from[1]) * fraction];
  };
  for (let start = 0; start < length; start += 2 * DASH) canvas.line(at(start), at(start + DASH), colour);
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

/**
 * Writes docs/phantom-side-by-side.png: slices of real patients (SPIDER, CC BY 4.0, see docs/phantom.md) above slices of
 * the phantom.
 *
 *     SPINEGRAD_TEST_DATA=DIR node docs/tools/phantom-side-by-side.js
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { decode } from 'fast-png';
import { Canvas, TEXT_HEIGHT } from '#spinegrad/data/drawing.js';
import { Painter } from '#spinegrad/phantom/painter.js';
import { drawStudy } from '#spinegrad/phantom/study.js';

const SIDE = 300;
const GAP = 6;
const CAPTION = TEXT_HEIGHT * 2 + 8;
const REAL = ['10008_12', '10019_9', '10024_17', '10030_2'];
/** Studies of seed 1 and RSNA prevalence: index, and slice relative to the midline. */
const PHANTOM = [
  [0, 0],
  [13, 0],
  [17, 0],
  [10, 0],
  [6, 0],
  [21, 0],
  [24, 3],
  [25, -3],
];

const folder = process.env.SPINEGRAD_TEST_DATA;
if (folder === undefined) {
  console.error(
    'phantom-side-by-side: SPINEGRAD_TEST_DATA is not set; set it to the folder of real test files',
  );
  process.exit(1);
}

const COLUMNS = REAL.length;
const phantomRows = PHANTOM.length / COLUMNS;
const canvas = new Canvas(COLUMNS * (SIDE + GAP) - GAP, (1 + phantomRows) * (SIDE + GAP) + 2 * CAPTION);
canvas.text('Real (SPIDER, CC BY 4.0)', 4, 4, undefined, 2);
for (const [i, name] of REAL.entries()) {
  const { width, height, data } = decode(
    await readFile(join(folder, 'spider-slices', 'images', `${name}.png`)),
  );
  const upright = new Float32Array(width * height);
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      upright[row * width + column] = data[(height - 1 - row) * width + column];
    }
  }
  show(upright, width, height, i * (SIDE + GAP), CAPTION);
}

canvas.text('Phantom (synthetic)', 4, SIDE + CAPTION + 4, undefined, 2);
for (const [i, [index, side]] of PHANTOM.entries()) {
  const study = drawStudy(1, index, 'rsna', 7);
  const { columns, rows, slicePositions } = study.acquisition;
  const offsets = slicePositions.map((x) => Math.abs(x - study.spine.midline(0)));
  const middle = offsets.indexOf(Math.min(...offsets));
  const slice = Math.max(0, Math.min(slicePositions.length - 1, middle + side));
  const top = SIDE + 2 * CAPTION + Math.floor(i / COLUMNS) * (SIDE + GAP);
  show(new Painter(study).pixels(slice), columns, rows, (i % COLUMNS) * (SIDE + GAP), top);
}
await writeFile(new URL('../phantom-side-by-side.png', import.meta.url), canvas.png());

/** Resamples an image into a square; its 98.5th percentile becomes white, as a radiologist would window it. */
function show(pixels, width, height, left, top) {
  const white = Float32Array.from(pixels).sort()[Math.floor(pixels.length * 0.985)];
  const scale = Math.max(width, height) / SIDE;
  const columns = Math.floor(width / scale);
  const rows = Math.floor(height / scale);
  const fitted = new Uint16Array(columns * rows);
  for (let v = 0; v < rows; v++) {
    for (let u = 0; u < columns; u++) {
      let sum = 0;
      for (let k = 0; k < 9; k++) {
        const x = Math.floor((u + ((k % 3) + 0.5) / 3) * scale);
        const y = Math.floor((v + (Math.floor(k / 3) + 0.5) / 3) * scale);
        sum += pixels[y * width + x] / 9;
      }
      fitted[v * columns + u] = Math.min(65535, (65535 * sum) / white);
    }
  }
  canvas.image(fitted, columns, left + Math.floor((SIDE - columns) / 2), top);
}

/** Lanczos-3 interpolation of an image from one square grid to another with the same first pixel. */

/** Maps an image of `gridColumns` columns to `columns` x `rows` pixels, which are `scale` pixels apart in the source. */
export function resample(
  source: Float32Array,
  gridColumns: number,
  columns: number,
  rows: number,
  scale: number,
): Float32Array {
  return resampleColumns(resampleRows(source, gridColumns, columns, scale), columns, rows, scale);
}

const TAPS = 6;

/** Lanczos-3 taps of `count` samples, `scale` apart, in a line of `length`: six positions and weights per sample. */
function taps(
  length: number,
  count: number,
  scale: number,
): { positions: Int32Array; weights: Float64Array } {
  const positions = new Int32Array(count * TAPS);
  const weights = new Float64Array(count * TAPS);
  for (let i = 0; i < count; i++) {
    const first = Math.floor(i * scale) - 2;
    const kernel = Array.from({ length: TAPS }, (_, k) => lanczos(i * scale - first - k));
    const sum = kernel.reduce((a, b) => a + b);
    for (const [k, weight] of kernel.entries()) {
      positions[i * TAPS + k] = Math.max(0, Math.min(length - 1, first + k));
      weights[i * TAPS + k] = weight / sum;
    }
  }
  return { positions, weights };
}

function resampleRows(source: Float32Array, columns: number, count: number, scale: number): Float32Array {
  const rows = source.length / columns;
  const { positions, weights } = taps(columns, count, scale);
  const result = new Float32Array(count * rows);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < count; column++) {
      let value = 0;
      for (let k = column * TAPS; k < (column + 1) * TAPS; k++) {
        value += weights[k]! * source[row * columns + positions[k]!]!;
      }
      result[row * count + column] = value;
    }
  }
  return result;
}

function resampleColumns(source: Float32Array, columns: number, count: number, scale: number): Float32Array {
  const { positions, weights } = taps(source.length / columns, count, scale);
  const result = new Float32Array(columns * count);
  for (let row = 0; row < count; row++) {
    for (let column = 0; column < columns; column++) {
      let value = 0;
      for (let k = row * TAPS; k < (row + 1) * TAPS; k++) {
        value += weights[k]! * source[positions[k]! * columns + column]!;
      }
      result[row * columns + column] = value;
    }
  }
  return result;
}

function lanczos(x: number): number {
  if (x === 0) return 1;
  if (Math.abs(x) >= 3) return 0;
  const a = Math.PI * x;
  return (3 * Math.sin(a) * Math.sin(a / 3)) / (a * a);
}

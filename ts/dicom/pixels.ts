/**
 * From pixel cells to modality values. A stored value is the Bits Stored (0028,0101) bits up to High Bit (0028,0102) of
 * a pixel cell, sign-extended if Pixel Representation (0028,0103) is 1 (PS3.5 section 8.1). The modality value is
 * Rescale Slope (0028,1053) * stored value + Rescale Intercept (0028,1052), or an entry of the Modality LUT Sequence
 * (0028,3000) (PS3.3 C.11.1).
 */
import type { DataSet } from 'dicom-parser';
import { SpinegradError } from '../error.js';
import { firstItem, numberOf } from './dataset.js';
import { macroOf } from './header.js';
import { emptyHistogram, histogramOf } from './histogram.js';
import type { PixelCells, PixelLayout } from './layout.js';
import type { DicomFrame } from './types.js';
import { intensityWindow, windowOfHistogram } from './window.js';

const PIXEL_VALUE_TRANSFORMATION = 'x00289145';
const MODALITY_LUT = 'x00283000';

/** Maps a stored value of one frame to its modality value. */
export type ModalityTransform = (stored: number) => number;

/** The modality transform of one frame: from the LUT, else from its functional group, else from the top level. */
export function modalityTransform(dataSet: DataSet, frame: number, path: string): ModalityTransform {
  const lut = firstItem(dataSet, MODALITY_LUT);
  if (lut !== null) return lookupTable(lut, path);
  const group = macroOf(dataSet, frame, PIXEL_VALUE_TRANSFORMATION);
  const slope = numberOf(group, 'x00281053') ?? 1;
  const intercept = numberOf(group, 'x00281052') ?? 0;
  return slope === 1 && intercept === 0 ? identity : (stored) => slope * stored + intercept;
}

const identity: ModalityTransform = (stored) => stored;

/** LUT Descriptor (0028,3002): number of entries (0 means 65536), first stored value mapped, bits per entry. */
function lookupTable(lut: DataSet, path: string): ModalityTransform {
  const entries = lut.uint16('x00283002', 0) || 65536;
  const descriptor = lut.elements.x00283002;
  const first = (descriptor?.vr === 'SS' ? lut.int16('x00283002', 1) : lut.uint16('x00283002', 1)) ?? 0;
  const data = lut.elements.x00283006;
  if (data === undefined || data.length < 2 * entries) {
    throw new SpinegradError(
      'ERR_DICOM_UNSUPPORTED',
      `${path}: LUT Data (0028,3006) has ${data?.length ?? 0} bytes, expected ${entries} entries of 16 bits`,
    );
  }
  const table = Array.from({ length: entries }, (_, index) => lut.uint16('x00283006', index)!);
  return (stored) => table[Math.min(Math.max(stored - first, 0), entries - 1)]!;
}

/**
 * The modality values of one frame and their intensity window. If the cells already are the modality values, as in most
 * images, the result is a view of them. `invert` (MONOCHROME1) reflects the values within the range of possible values,
 * so that larger is brighter.
 */
export function modalityValues(
  cells: PixelCells,
  transform: ModalityTransform,
  layout: PixelLayout,
  invert: boolean,
): Pick<DicomFrame, 'pixels' | 'window'> {
  const values = cellValues(cells);
  if (transform === identity && !invert && !layout.signed) {
    const { bitsStored, highBit } = layout;
    const histogram = histogramOf(values);
    if (highBit === bitsStored - 1 && histogram.length <= 2 ** bitsStored) {
      return { pixels: values, window: windowOfHistogram(histogram, values.length, (value) => value) };
    }
  }
  return transformValues(values, valueTable(transform, layout, invert), layout);
}

function transformValues(
  values: Uint8Array | Uint16Array,
  table: Float32Array,
  { rows, columns, bitsStored, highBit, signed }: PixelLayout,
): Pick<DicomFrame, 'pixels' | 'window'> {
  const histogram = emptyHistogram(table.length);
  const left = 31 - highBit;
  const right = 32 - bitsStored;
  const zero = signed ? table.length / 2 : 0;
  const pixels = new Float32Array(rows * columns);
  for (let i = 0; i < pixels.length; i++) {
    const cell = values[i]! << left;
    const stored = zero + (signed ? cell >> right : cell >>> right);
    pixels[i] = table[stored]!;
    histogram[stored]!++;
  }
  const window = isNonDecreasing(table)
    ? windowOfHistogram(histogram, pixels.length, (stored) => table[stored]!)
    : intensityWindow(pixels);
  return { pixels, window };
}

/** The modality value of each possible stored value, at most 65,536, in ascending order of the stored values. */
function valueTable(transform: ModalityTransform, layout: PixelLayout, invert: boolean): Float32Array {
  const [low, high] = storedRange(layout);
  const ends = transform(low) + transform(high);
  const table = new Float32Array(high - low + 1);
  for (let stored = low; stored <= high; stored++) {
    const value = transform(stored);
    table[stored - low] = invert ? ends - value : value;
  }
  return table;
}

/** Smallest and largest stored value that the layout can represent. */
function storedRange({ bitsStored, signed }: PixelLayout): readonly [low: number, high: number] {
  return signed ? [-(2 ** (bitsStored - 1)), 2 ** (bitsStored - 1) - 1] : [0, 2 ** bitsStored - 1];
}

/** Whether all values are finite and none is smaller than the previous one. */
function isNonDecreasing(table: Float32Array): boolean {
  for (let i = 1; i < table.length; i++) if (!(table[i]! >= table[i - 1]!)) return false;
  return Number.isFinite(table[0]) && Number.isFinite(table.at(-1));
}

/** The cells as integers; a view of the bytes if they are little-endian and aligned. */
function cellValues({ bytes, bitsAllocated, littleEndian }: PixelCells): Uint8Array | Uint16Array {
  if (bitsAllocated === 8) return bytes;
  const aligned = littleEndian && bytes.byteOffset % 2 === 0 ? bytes : new Uint8Array(bytes);
  if (!littleEndian) Buffer.from(aligned.buffer).swap16();
  return new Uint16Array(aligned.buffer, aligned.byteOffset, aligned.length / 2);
}

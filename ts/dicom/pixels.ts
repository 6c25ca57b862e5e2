/**
 * From stored values to modality values. A stored value is the BitsStored bits below HighBit of a pixel cell,
 * sign-extended where PixelRepresentation says so (PS3.5 section 8.1); the modality value is
 * slope * stored + intercept, or an entry of the modality LUT (PS3.3 C.11.1).
 */
import type { DataSet } from 'dicom-parser';
import { SpinegradError } from '../error.js';
import { countsOf, zeroCounts } from './counts.js';
import { firstItem, numberOf } from './dataset.js';
import { macroOf } from './header.js';
import type { PixelCells, PixelLayout } from './layout.js';
import type { DicomFrame } from './types.js';
import { intensityWindow, windowOfCounts } from './window.js';

const PIXEL_VALUE_TRANSFORMATION = 'x00289145';
const MODALITY_LUT = 'x00283000';

/** Smallest and largest stored value that the layout can hold. */
export function storedRange({ bitsStored, signed }: PixelLayout): readonly [low: number, high: number] {
  return signed ? [-(2 ** (bitsStored - 1)), 2 ** (bitsStored - 1) - 1] : [0, 2 ** bitsStored - 1];
}

/** Maps a stored value of one frame to its modality value. */
export type ModalityTransform = (stored: number) => number;

/** The modality transform of one frame, from its LUT, its functional group, or the top of the file. */
export function modalityTransform(dataSet: DataSet, frame: number, path: string): ModalityTransform {
  const lut = firstItem(dataSet, MODALITY_LUT);
  if (lut !== null) return lookupTable(lut, path);
  const group = macroOf(dataSet, frame, PIXEL_VALUE_TRANSFORMATION);
  const slope = numberOf(group, 'x00281053') ?? 1;
  const intercept = numberOf(group, 'x00281052') ?? 0;
  return slope === 1 && intercept === 0 ? asStored : (stored) => slope * stored + intercept;
}

const asStored: ModalityTransform = (stored) => stored;

/** LUT Descriptor (0028,3002): number of entries (0 means 65536), first stored value mapped, bits per entry. */
function lookupTable(lut: DataSet, path: string): ModalityTransform {
  const entries = lut.uint16('x00283002', 0) || 65536;
  const descriptor = lut.elements.x00283002;
  const first = (descriptor?.vr === 'SS' ? lut.int16('x00283002', 1) : lut.uint16('x00283002', 1)) ?? 0;
  const data = lut.elements.x00283006;
  if (data === undefined || data.length < 2 * entries) {
    throw new SpinegradError(
      'ERR_DICOM_UNSUPPORTED',
      `${path}: the modality LUT holds ${data?.length ?? 0} bytes, expected ${entries} entries of 16 bits`,
    );
  }
  const table = Array.from({ length: entries }, (_, index) => lut.uint16('x00283006', index)!);
  return (stored) => table[Math.min(Math.max(stored - first, 0), entries - 1)]!;
}

/**
 * Modality values of one frame, and their robust window. Where every cell is its modality value, as in most images, they
 * stay where they are. With `invert` (MONOCHROME1) the range of possible values is reversed, so that larger is brighter
 * and the range stays the same.
 */
export function modalityValues(
  cells: PixelCells,
  transform: ModalityTransform,
  layout: PixelLayout,
  invert: boolean,
): Pick<DicomFrame, 'pixels' | 'window'> {
  const values = cellValues(cells);
  if (transform === asStored && !invert && !layout.signed) {
    const counts = countsOf(values);
    const whole = layout.highBit === layout.bitsStored - 1 && counts.length <= 2 ** layout.bitsStored;
    if (whole) return { pixels: values, window: windowOfCounts(counts, values.length, (value) => value) };
  }
  return convertedValues(values, valueTable(transform, layout, invert), layout);
}

function convertedValues(
  values: Uint8Array | Uint16Array,
  table: Float32Array,
  { rows, columns, bitsStored, highBit, signed }: PixelLayout,
): Pick<DicomFrame, 'pixels' | 'window'> {
  const counts = zeroCounts(table.length);
  const left = 31 - highBit;
  const right = 32 - bitsStored;
  const zero = signed ? table.length / 2 : 0;
  const pixels = new Float32Array(rows * columns);
  for (let i = 0; i < pixels.length; i++) {
    const cell = values[i]! << left;
    const stored = zero + (signed ? cell >> right : cell >>> right);
    pixels[i] = table[stored]!;
    counts[stored]!++;
  }
  const window = ascends(table)
    ? windowOfCounts(counts, pixels.length, (stored) => table[stored]!)
    : intensityWindow(pixels);
  return { pixels, window };
}

/** What each of the at most 65,536 stored values becomes, from the lowest on. */
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

/** Whether all values are finite and none is below the one before. */
function ascends(table: Float32Array): boolean {
  for (let i = 1; i < table.length; i++) if (!(table[i]! >= table[i - 1]!)) return false;
  return Number.isFinite(table[0]) && Number.isFinite(table.at(-1));
}

/** The cells as numbers, where they lie if the processor can read them there. */
function cellValues({ bytes, bitsAllocated, littleEndian }: PixelCells): Uint8Array | Uint16Array {
  if (bitsAllocated === 8) return bytes;
  const placed = littleEndian && bytes.byteOffset % 2 === 0 ? bytes : new Uint8Array(bytes);
  if (!littleEndian) Buffer.from(placed.buffer).swap16();
  return new Uint16Array(placed.buffer, placed.byteOffset, placed.length / 2);
}

/** Builds small DICOM files byte by byte. */

type Value = string | Buffer | Buffer[];
export type Elements = Record<string, readonly [vr: string, value: Value]>;

export const EXPLICIT = '1.2.840.10008.1.2.1';

const LONG_VRS = new Set(['OB', 'OW', 'SQ', 'UN', 'UT']);

export interface BuildOptions {
  transferSyntax?: string;
  bigEndian?: boolean;
  /** Whether to write the preamble and the File Meta Information; default true. */
  meta?: boolean;
}

/** Encodes elements, by tag `GGGGEEEE`. The value of SQ is a list of data sets encoded by `dataSet`. */
export function dataSet(elements: Elements, bigEndian = false): Buffer {
  const tags = Object.keys(elements).sort();
  return Buffer.concat(tags.map((tag) => element(tag, ...elements[tag]!, bigEndian)));
}

export function buildDicom(elements: Elements, options: BuildOptions = {}): Buffer {
  const { transferSyntax = EXPLICIT, bigEndian = false, meta = true } = options;
  const body = dataSet(elements, bigEndian);
  if (!meta) return body;
  const header = dataSet({ '00020010': ['UI', transferSyntax] });
  return Buffer.concat([Buffer.alloc(128), Buffer.from('DICM'), header, body]);
}

/** Encapsulated Pixel Data: Basic Offset Table, one item per fragment, and optionally the delimiter. */
export function encapsulated(fragments: Buffer[], offsets: number[] = [], delimiter = true): Buffer {
  const table = Buffer.alloc(4 * offsets.length);
  offsets.forEach((offset, index) => {
    table.writeUInt32LE(offset, 4 * index);
  });
  const items = [table, ...fragments].map((bytes) => item(padded(bytes, 0), false));
  return Buffer.concat([...items, ...(delimiter ? [Buffer.from('feffdde000000000', 'hex')] : [])]);
}

export const us = (...values: number[]) => integers(values, false);
export const usBig = (...values: number[]) => integers(values, true);

/** Elements of a MONOCHROME2 image with 16-bit cells and the geometry of a sagittal slice. */
export function imageElements(rows: number, columns: number, pixels: Buffer, more: Elements = {}): Elements {
  return {
    '00080060': ['CS', 'MR'],
    '0020000D': ['UI', '1.2.3'],
    '0020000E': ['UI', '1.2.3.4'],
    '00200013': ['IS', '7'],
    '00200032': ['DS', '10\\-100\\80'],
    '00200037': ['DS', '0\\1\\0\\0\\0\\-1'],
    '00280002': ['US', us(1)],
    '00280004': ['CS', 'MONOCHROME2'],
    '00280010': ['US', us(rows)],
    '00280011': ['US', us(columns)],
    '00280030': ['DS', '0.5\\0.6'],
    '00280100': ['US', us(16)],
    '00280101': ['US', us(16)],
    '00280102': ['US', us(15)],
    '00280103': ['US', us(0)],
    '7FE00010': ['OW', pixels],
    ...more,
  };
}

function element(tag: string, vr: string, value: Value, bigEndian: boolean): Buffer {
  const bytes = Array.isArray(value)
    ? Buffer.concat(value.map((bytes) => item(bytes, bigEndian)))
    : padded(
        Buffer.isBuffer(value) ? value : Buffer.from(value),
        vr === 'UI' || Buffer.isBuffer(value) ? 0 : 32,
      );
  const encapsulates =
    tag === '7FE00010' && vr === 'OB' && bytes.subarray(0, 4).toString('hex') === 'feff00e0';
  const head = integers([Number.parseInt(tag.slice(0, 4), 16), Number.parseInt(tag.slice(4), 16)], bigEndian);
  const length = Buffer.alloc(LONG_VRS.has(vr) ? 6 : 2);
  if (!LONG_VRS.has(vr)) length[bigEndian ? 'writeUInt16BE' : 'writeUInt16LE'](bytes.length);
  else length[bigEndian ? 'writeUInt32BE' : 'writeUInt32LE'](encapsulates ? 0xffffffff : bytes.length, 2);
  return Buffer.concat([head, Buffer.from(vr), length, bytes]);
}

function item(bytes: Buffer, bigEndian: boolean): Buffer {
  const head = Buffer.alloc(8);
  head.set(integers([0xfffe, 0xe000], bigEndian));
  head[bigEndian ? 'writeUInt32BE' : 'writeUInt32LE'](bytes.length, 4);
  return Buffer.concat([head, bytes]);
}

function padded(bytes: Buffer, fill: number): Buffer {
  return bytes.length % 2 === 0 ? bytes : Buffer.concat([bytes, Buffer.from([fill])]);
}

function integers(values: number[], bigEndian: boolean): Buffer {
  const bytes = Buffer.alloc(2 * values.length);
  values.forEach((value, index) => {
    bytes[bigEndian ? 'writeUInt16BE' : 'writeUInt16LE'](value & 0xffff, 2 * index);
  });
  return bytes;
}

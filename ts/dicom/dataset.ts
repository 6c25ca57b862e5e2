/**
 * Parses the bytes of a file into a data set with dicom-parser. This file adds what real files need: a missing preamble
 * or File Meta Information, a missing Transfer Syntax UID (0002,0010), and deflated data sets. It also converts the
 * strings, objects and errors that the parser throws into a SpinegradError.
 */
import { constants, inflateRawSync } from 'node:zlib';
import dicomParser, { type DataSet, type Element } from 'dicom-parser';
import { SpinegradError } from '../error.js';
import { MAX_PIXEL_BYTES } from '../io/imageLimit.js';

const IMPLICIT_LITTLE_ENDIAN = '1.2.840.10008.1.2';
export const EXPLICIT_LITTLE_ENDIAN = '1.2.840.10008.1.2.1';
const DEFLATED_LITTLE_ENDIAN = '1.2.840.10008.1.2.1.99';
export const EXPLICIT_BIG_ENDIAN = '1.2.840.10008.1.2.2';

export const PIXEL_DATA = 'x7fe00010';

/** Bytes of a deflated data set that are inflated for the length of Pixel Data. At most a thousand times as many come out. */
const PACKED_HEADER_BYTES = 2 ** 14;

/** Maximum size of a deflated data set without its Pixel Data, in bytes. */
const MAX_OTHER_BYTES = 2 ** 24;

export interface ParsedDataSet {
  dataSet: DataSet;
  transferSyntax: string;
}

/**
 * Parses `bytes`. With `untilPixelData`, parsing stops at Pixel Data (7FE0,0010) and does not check its value.
 *
 * @throws SpinegradError ERR_DICOM_NOT_DICOM, ERR_DICOM_TRUNCATED
 */
export function parseDataSet(bytes: Uint8Array, path: string, untilPixelData = false): ParsedDataSet {
  const { start, transferSyntax } = locateBody(bytes, path);
  let body = bytes.subarray(start);
  if (transferSyntax === DEFLATED_LITTLE_ENDIAN) body = inflate(body, path);
  if (body.length === 0) throw truncated(path, 'no data set follows the File Meta Information');
  try {
    const dataSet = dicomParser.parseDicom(body, {
      TransferSyntaxUID: transferSyntax,
      inflater: (inflated: Uint8Array) => inflated,
      ...(untilPixelData && { untilTag: PIXEL_DATA }),
    });
    return { dataSet, transferSyntax };
  } catch (error) {
    throw truncated(path, describe(error), error);
  }
}

/** Finds the start of the data set and its transfer syntax. */
function locateBody(bytes: Uint8Array, path: string): { start: number; transferSyntax: string } {
  if (bytes.length === 0)
    throw new SpinegradError('ERR_DICOM_NOT_DICOM', `${path}: not a DICOM file: it is empty`);
  const hasPrefix = bytes.length >= 132 && latin1(bytes, 128, 132) === 'DICM';
  if (!hasPrefix && !isTag(bytes, 0, 0x0002)) {
    const transferSyntax = guessTransferSyntax(bytes, 0);
    if (transferSyntax === null) {
      const found =
        bytes.length < 132
          ? `it has ${bytes.length} bytes`
          : 'no DICM prefix at byte 128 and no DICOM tag at byte 0';
      throw new SpinegradError('ERR_DICOM_NOT_DICOM', `${path}: not a DICOM file: ${found}`);
    }
    return { start: 0, transferSyntax };
  }
  const offset = hasPrefix ? 132 : 0;
  const meta = readMetaHeader(bytes, offset, path);
  const transferSyntax = meta.transferSyntax ?? guessTransferSyntax(bytes, meta.end);
  if (transferSyntax !== null) return { start: meta.end, transferSyntax };
  if (meta.end >= bytes.length) throw truncated(path, 'no data set follows the File Meta Information');
  throw new SpinegradError(
    'ERR_DICOM_NOT_DICOM',
    `${path}: Transfer Syntax UID (0002,0010) is missing and cannot be guessed from the data set`,
  );
}

/**
 * Reads the File Meta Information, which is always Explicit VR Little Endian (PS3.10 section 7.1). It ends at the first
 * tag that is not of group 0002; File Meta Information Group Length (0002,0000) is ignored, because it can be wrong.
 */
function readMetaHeader(bytes: Uint8Array, start: number, path: string) {
  const view = viewOf(bytes);
  let transferSyntax: string | null = null;
  let position = start;
  while (position + 8 <= bytes.length && view.getUint16(position, true) === 0x0002) {
    const long = LONG_VRS.has(latin1(bytes, position + 4, position + 6));
    const value = position + (long ? 12 : 8);
    if (value > bytes.length) throw truncated(path, 'it ends inside the File Meta Information');
    const end = value + (long ? view.getUint32(position + 8, true) : view.getUint16(position + 6, true));
    if (end > bytes.length) throw truncated(path, 'it ends inside the File Meta Information');
    if (view.getUint16(position + 2, true) === 0x0010) {
      transferSyntax = trimValue(latin1(bytes, value, end)) || null;
    }
    position = end;
  }
  return { transferSyntax, end: position };
}

const LONG_VRS = new Set(['OB', 'OD', 'OF', 'OL', 'OV', 'OW', 'SQ', 'SV', 'UC', 'UN', 'UR', 'UT', 'UV']);
const SHORT_VRS = new Set('AE AS AT CS DA DS DT FL FD IS LO LT PN SH SL SS ST TM UI UL US'.split(' '));

/** Same rules as pydicom's `force=True`: the first tag is of a low group, and a VR or a plausible length follows. */
function guessTransferSyntax(bytes: Uint8Array, at: number): string | null {
  if (at + 8 > bytes.length) return null;
  const vr = latin1(bytes, at + 4, at + 6);
  const explicit = LONG_VRS.has(vr) || SHORT_VRS.has(vr);
  const view = viewOf(bytes);
  if (isTag(bytes, at, 0x0008) || isTag(bytes, at, 0x0010) || isTag(bytes, at, 0x0004)) {
    if (explicit) return EXPLICIT_LITTLE_ENDIAN;
    const length = view.getUint32(at + 4, true);
    return length === 0xffffffff || at + 8 + length <= bytes.length ? IMPLICIT_LITTLE_ENDIAN : null;
  }
  const bigEndianGroup = view.getUint16(at, false);
  return explicit && (bigEndianGroup === 0x0008 || bigEndianGroup === 0x0010) ? EXPLICIT_BIG_ENDIAN : null;
}

/** Inflates a data set to at most the size that its Pixel Data states. */
function inflate(body: Uint8Array, path: string): Uint8Array {
  let limit = MAX_OTHER_BYTES;
  try {
    const finishFlush = constants.Z_SYNC_FLUSH;
    const start = inflateRawSync(body.subarray(0, PACKED_HEADER_BYTES), { finishFlush });
    limit += Math.min(pixelBytesOf(start), MAX_PIXEL_BYTES);
    return inflateRawSync(body, { maxOutputLength: limit });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_BUFFER_TOO_LARGE')
      throw truncated(path, `the data set cannot be inflated (${describe(error)})`, error);
    const expected = `Pixel Data (7FE0,0010) and ${MAX_OTHER_BYTES} for the other elements`;
    throw truncated(
      path,
      `it inflates to more than ${limit} bytes, expected the length of ${expected}`,
      error,
    );
  }
}

/** The length of Pixel Data that the first part of a data set states; 0 if it is not in this part. */
function pixelBytesOf(start: Uint8Array): number {
  try {
    const options = { TransferSyntaxUID: EXPLICIT_LITTLE_ENDIAN, untilTag: PIXEL_DATA };
    return dicomParser.parseDicom(start, options).elements[PIXEL_DATA]?.length ?? 0;
  } catch {
    return 0;
  }
}

/** Value of a text element, without padding; null if it is absent or empty. */
export function textOf(dataSet: DataSet, tag: string): string | null {
  return trimValue(dataSet.string(tag) ?? '') || null;
}

/** Values of a DS or IS element; null if it is absent or any value is not a number. */
export function numbersOf(dataSet: DataSet, tag: string): number[] | null {
  const text = textOf(dataSet, tag);
  if (text === null) return null;
  const values = text.split('\\').map((part) => (part.trim() === '' ? Number.NaN : Number(part)));
  return values.every(Number.isFinite) ? values : null;
}

export function numberOf(dataSet: DataSet, tag: string): number | null {
  return numbersOf(dataSet, tag)?.[0] ?? null;
}

/** First item of a sequence; null if there is none. */
export function firstItem(dataSet: DataSet, tag: string): DataSet | null {
  return itemsOf(dataSet, tag)[0]?.dataSet ?? null;
}

export function itemsOf(dataSet: DataSet, tag: string): Element[] {
  return dataSet.elements[tag]?.items ?? [];
}

/** The message of any thrown value. */
export function describe(error: unknown): string {
  if (error instanceof Error) return error.message;
  if (typeof error === 'object' && error !== null && 'exception' in error) return describe(error.exception);
  return String(error);
}

export function truncated(path: string, found: string, cause?: unknown): SpinegradError {
  const overrun = /overrun|overread|past (the )?end|cannot be greater|outside the bounds/i.test(found);
  const reason = overrun ? 'an element extends past the end of the file' : found;
  return new SpinegradError('ERR_DICOM_TRUNCATED', `${path}: the file is truncated or damaged: ${reason}`, {
    cause,
  });
}

/** Removes padding: spaces after text, NUL after UIDs (PS3.5 section 6.2). */
function trimValue(value: string): string {
  return value.replace(/[\0 ]+$/, '').trimStart();
}

function isTag(bytes: Uint8Array, at: number, group: number): boolean {
  return at + 4 <= bytes.length && viewOf(bytes).getUint16(at, true) === group;
}

function latin1(bytes: Uint8Array, start: number, end: number): string {
  return String.fromCharCode(...bytes.subarray(start, Math.min(end, start + 256)));
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

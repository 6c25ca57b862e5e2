/**
 * Reads one DICOM file: `readDicom` returns pixels and geometry, `readHeader` the attributes only. Every failure is a
 * SpinegradError whose message begins with the path, so that a run can report the file and skip it.
 */
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import { isMainThread } from 'node:worker_threads';
import type { DataSet } from 'dicom-parser';
import { SpinegradError } from '../error.js';
import { readError } from '../io/files.js';
import { checkImageFile } from '../io/imageLimit.js';
import { describe, PIXEL_DATA, parseDataSet, truncated } from './dataset.js';
import { frameCells } from './frames.js';
import { frameGeometry, headerOf } from './header.js';
import { pixelLayout } from './layout.js';
import { modalityTransform, modalityValues } from './pixels.js';
import type { DicomFrame, DicomHeader, DicomImage, ReadOptions } from './types.js';

/** Bytes that `readHeader` reads first; if they do not hold the header, it reads the file. */
const HEADER_BYTES = 64 * 1024;

/**
 * Reads and decodes a file in the thread of the caller. Use `DicomPool` for files that may be damaged: it ends a decoder that
 * does not return.
 *
 * @example
 * const { frames, rows, columns, pixelSpacing } = await readDicom('1.dcm');
 * const { pixels, geometry } = frames[0]!; // rows * columns modality values, image plane in mm
 *
 * @throws SpinegradError ERR_FILE_NOT_FOUND, ERR_FILE_READ, ERR_IMAGE_LIMIT, ERR_DICOM_NOT_DICOM, ERR_DICOM_TRUNCATED,
 *   ERR_DICOM_NO_PIXELS, ERR_DICOM_UNSUPPORTED, ERR_DICOM_DECODE
 */
export async function readDicom(path: string, options: ReadOptions = {}): Promise<DicomImage> {
  return parseDicom(await readBytes(path), path, options);
}

/**
 * Decodes the bytes of a file. The pixels can be views of `bytes`. `path` appears in errors and in the result.
 *
 * @throws SpinegradError see `readDicom`
 */
export async function parseDicom(
  bytes: Uint8Array,
  path: string,
  options: ReadOptions = {},
): Promise<DicomImage> {
  const { dataSet, transferSyntax } = parseDataSet(bytes, path);
  try {
    const header = headerOf(dataSet, transferSyntax, path);
    return { ...summaryOf(header), frames: await decodeFrames(dataSet, header, options) };
  } catch (error) {
    throw asDicomError(error, path);
  }
}

/**
 * Reads the attributes of a file, and usually only its first 64 KiB.
 *
 * @throws SpinegradError ERR_FILE_NOT_FOUND, ERR_FILE_READ, ERR_IMAGE_LIMIT, ERR_DICOM_NOT_DICOM, ERR_DICOM_TRUNCATED
 */
export async function readHeader(path: string): Promise<DicomHeader> {
  const start = await readBytes(path, HEADER_BYTES);
  try {
    const header = parseHeader(start, path);
    if (header.hasPixelData || start.length < HEADER_BYTES) return header;
  } catch (error) {
    if (start.length < HEADER_BYTES) throw error;
  }
  return parseHeader(await readBytes(path), path);
}

/** Reads the attributes from the bytes of a file; see `readHeader`. */
export function parseHeader(bytes: Uint8Array, path: string): DicomHeader {
  const { dataSet, transferSyntax } = parseDataSet(bytes, path, true);
  try {
    return headerOf(dataSet, transferSyntax, path);
  } catch (error) {
    throw asDicomError(error, path);
  }
}

async function decodeFrames(
  dataSet: DataSet,
  header: DicomHeader,
  options: ReadOptions,
): Promise<DicomFrame[]> {
  const { path, transferSyntax } = header;
  const layout = pixelLayout(header);
  const invert = layout.monochrome1 && options.invertMonochrome1 !== false;
  const frames: DicomFrame[] = [];
  for await (const cells of frameCells(
    dataSet,
    dataSet.elements[PIXEL_DATA]!,
    layout,
    transferSyntax,
    path,
  )) {
    const frame = frames.length;
    const transform = modalityTransform(dataSet, frame, path);
    frames.push({
      ...modalityValues(cells, transform, layout, invert),
      geometry: frameGeometry(dataSet, frame),
    });
  }
  return frames;
}

function summaryOf(header: DicomHeader): Omit<DicomImage, 'frames'> {
  const { path, transferSyntax, studyInstanceUid, seriesInstanceUid, instanceNumber } = header;
  const { modality, seriesDescription, pixelSpacing, sliceSpacing } = header;
  return {
    path,
    transferSyntax,
    studyInstanceUid,
    seriesInstanceUid,
    instanceNumber,
    modality,
    seriesDescription,
    rows: header.rows!,
    columns: header.columns!,
    pixelSpacing,
    sliceSpacing,
  };
}

/** The bytes of a file, in a buffer that can be transferred to another thread, or the first `limit` bytes. */
async function readBytes(path: string, limit?: number): Promise<Uint8Array> {
  checkImageFile(path);
  try {
    // In a worker thread, synchronous reads are faster and block nothing.
    if (!isMainThread) return limit === undefined ? ownMemory(readFileSync(path)) : firstBytes(path, limit);
    if (limit === undefined) return ownMemory(await readFile(path));
    await using file = await open(path);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(limit), 0, limit, 0);
    return buffer.subarray(0, bytesRead);
  } catch (error) {
    throw readError(path, error);
  }
}

function firstBytes(path: string, limit: number): Uint8Array {
  const file = openSync(path, 'r');
  try {
    const buffer = Buffer.alloc(limit);
    return buffer.subarray(0, readSync(file, buffer, 0, limit, 0));
  } finally {
    closeSync(file);
  }
}

/** Copies a small file out of the memory pool that Node's buffers share. */
function ownMemory(bytes: Buffer): Uint8Array {
  return bytes.length === bytes.buffer.byteLength ? bytes : new Uint8Array(bytes);
}

/** Accessors of the parser throw if an element extends past the end of the file. */
function asDicomError(error: unknown, path: string): SpinegradError {
  return error instanceof SpinegradError ? error : truncated(path, describe(error), error);
}

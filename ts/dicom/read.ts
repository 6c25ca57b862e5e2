/**
 * Reading of one DICOM file: `readDicom` gives its pixels and geometry, `readHeader` its tags alone. Every
 * failure is a SpinegradError whose message begins with the path, so that a run can report and skip the file.
 */
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import { isMainThread } from 'node:worker_threads';
import type { DataSet } from 'dicom-parser';
import { SpinegradError } from '../error.js';
import { describe, PIXEL_DATA, parseDataSet, truncated } from './dataset.js';
import { frameCells } from './frames.js';
import { frameGeometry, headerOf } from './header.js';
import { pixelLayout } from './layout.js';
import { modalityTransform, modalityValues } from './pixels.js';
import type { DicomFrame, DicomHeader, DicomImage, ReadOptions } from './types.js';

/** Enough for the header of nearly every file; those that need more are read whole. */
const HEADER_BYTES = 64 * 1024;

/**
 * Reads and decodes a file.
 *
 * @throws SpinegradError ERR_FILE_NOT_FOUND, ERR_FILE_READ, ERR_DICOM_NOT_DICOM, ERR_DICOM_TRUNCATED,
 *   ERR_DICOM_NO_PIXELS, ERR_DICOM_UNSUPPORTED, ERR_DICOM_DECODE
 */
export async function readDicom(path: string, options: ReadOptions = {}): Promise<DicomImage> {
  return parseDicom(await readBytes(path), path, options);
}

/** Decodes the bytes of a file, where its pixels may stay; `path` only names it in errors and in the result. */
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

/** Reads the tags of a file without decoding, or where possible even reading, its pixels. */
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

/** Reads the tags from the bytes of a file. */
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

/** The whole file, in memory of its own that a thread can hand over, or its first `limit` bytes. */
async function readBytes(path: string, limit?: number): Promise<Uint8Array> {
  try {
    // A thread has nothing else to do meanwhile, and takes half as long without another one's help.
    if (!isMainThread) return limit === undefined ? ownMemory(readFileSync(path)) : startOf(path, limit);
    if (limit === undefined) return ownMemory(await readFile(path));
    await using file = await open(path);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(limit), 0, limit, 0);
    return buffer.subarray(0, bytesRead);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') {
      throw new SpinegradError('ERR_FILE_NOT_FOUND', `${path}: there is no such file`, { cause: error });
    }
    const found = code === 'EISDIR' ? 'it is a folder, expected a DICOM file' : describe(error);
    throw new SpinegradError('ERR_FILE_READ', `${path}: cannot be read: ${found}`, { cause: error });
  }
}

function startOf(path: string, limit: number): Uint8Array {
  const file = openSync(path, 'r');
  try {
    const buffer = Buffer.alloc(limit);
    return buffer.subarray(0, readSync(file, buffer, 0, limit, 0));
  } finally {
    closeSync(file);
  }
}

/** Small files lie in memory that others share. */
function ownMemory(bytes: Buffer): Uint8Array {
  return bytes.length === bytes.buffer.byteLength ? bytes : new Uint8Array(bytes);
}

/** Accessors of the parser throw where an element reaches beyond the end of the file. */
function asDicomError(error: unknown, path: string): SpinegradError {
  return error instanceof SpinegradError ? error : truncated(path, describe(error), error);
}

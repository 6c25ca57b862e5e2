/** Opens the images of a series, a folder of DICOM files or an image file, as a stack of slices whose pixels are read later. */
import { stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { canonicalOrientation } from '../dicom/geometry.js';
import { readDicom, readHeader } from '../dicom/read.js';
import { DICOM_NAME, type Series } from '../dicom/series.js';
import type { DicomHeader } from '../dicom/types.js';
import { type Skipped, SpinegradError } from '../error.js';
import { entriesOf, readError } from '../io/files.js';
import { readMha } from './mha.js';
import { readNifti } from './nifti.js';
import { readPng } from './png.js';
import {
  CANONICAL_GEOMETRY,
  dicomSlices,
  reflectSlice,
  type SlicePosition,
  type SourceSlice,
  sortSeries,
} from './series.js';
import type { BankManifest, SliceRecord } from './types.js';

export interface ImageSlice extends SlicePosition {
  /** Path of the file. */
  path: string;
  /**
   * Number of the slice. In a folder: the number in the name of a file such as 12.dcm, else Instance Number (0020,0013). In
   * a file, and without an Instance Number: from 1; in a volume along the voxel axis.
   */
  instanceNumber: number;
  /** Of the file, between rows and between columns, mm. */
  pixelSpacing: readonly [number, number] | null;
  /** Reads the pixels, once. */
  read(): Promise<SourceSlice>;
}

export interface ImageStack {
  /** Sorted as by `sortSeries`. */
  slices: ImageSlice[];
  /** Whether the files are DICOM. */
  isDicom: boolean;
  /** Study Instance UIDs (0020,000D) of the files, each once. */
  studyUids: string[];
  /** Files of a folder whose header cannot be read; their slices have no geometry. */
  skipped: Skipped[];
}

type FileReader = (path: string) => Promise<SourceSlice[]>;

/** Readers of other files than DICOM, by file name. */
const FILE_READERS: readonly (readonly [RegExp, FileReader])[] = [
  [/\.nii(\.gz)?$/i, readNifti],
  [/\.mha$/i, readMha],
  [/\.png$/i, async (path) => [await readPng(path, null)]],
];

const readerOf = (path: string): FileReader | undefined =>
  FILE_READERS.find(([name]) => name.test(path))?.[1];

/** Whether the name of a file is that of an image file other than DICOM. */
export const isImageFile = (path: string): boolean => readerOf(path) !== undefined;

/**
 * Opens a folder of DICOM files of one series, or a DICOM file, a NIfTI or MetaImage volume, or a PNG image.
 *
 * @param beforeRead is called with a path before the pixels of the file are read; may throw
 * @throws SpinegradError ERR_FILE_NOT_FOUND, ERR_FILE_READ, ERR_SERIES_EMPTY for a folder without DICOM files, the errors of the file's
 *   reader
 *
 * @example
 * const { slices } = await openImages('study/series');
 * const { pixels } = await canalSlice(slices).read();
 */
export async function openImages(
  path: string,
  beforeRead: (path: string) => void = () => {},
): Promise<ImageStack> {
  const found = await stat(path).catch((cause) => {
    throw readError(path, cause);
  });
  if (found.isDirectory()) return openFolder(path, beforeRead);
  beforeRead(path);
  const { slices, studyUids } = await readFile(path);
  return {
    slices: slices.map((slice, index) => ({
      path,
      instanceNumber: slice.instanceNumber ?? index + 1,
      geometry: slice.geometry,
      pixelSpacing: slice.pixelSpacing,
      read: async () => slice,
    })),
    isDicom: readerOf(path) === undefined,
    studyUids,
    skipped: [],
  };
}

async function readFile(path: string): Promise<{ slices: SourceSlice[]; studyUids: string[] }> {
  const reader = readerOf(path);
  if (reader !== undefined) return { slices: await reader(path), studyUids: [] };
  const image = await readDicom(path);
  const slices = dicomSlices(image).map((slice, index) => ({ ...slice, instanceNumber: index + 1 }));
  return { slices, studyUids: image.studyInstanceUid === null ? [] : [image.studyInstanceUid] };
}

const UNKNOWN = { instanceNumber: null, geometry: null, pixelSpacing: null, studyInstanceUid: null };

async function openFolder(folder: string, beforeRead: (path: string) => void): Promise<ImageStack> {
  const names = (await entriesOf(folder))
    .map(({ name }) => name)
    .filter((name) => DICOM_NAME.test(name) && name !== 'DICOMDIR')
    .sort();
  if (names.length === 0) {
    throw new SpinegradError('ERR_SERIES_EMPTY', `${folder}: the folder has no DICOM file`);
  }
  const slices: ImageSlice[] = [];
  const studyUids = new Set<string>();
  const skipped: Skipped[] = [];
  for (const [index, name] of names.entries()) {
    const path = join(folder, name);
    let header: Pick<DicomHeader, keyof typeof UNKNOWN> = UNKNOWN;
    try {
      header = await readHeader(path);
    } catch (error) {
      if (!(error instanceof SpinegradError)) throw error;
      skipped.push({ path, code: error.code, message: error.message });
    }
    const { geometry, instanceNumber, pixelSpacing, studyInstanceUid } = header;
    if (studyInstanceUid !== null) studyUids.add(studyInstanceUid);
    let slice: Promise<SourceSlice> | undefined;
    slices.push({
      path,
      instanceNumber: numberOf(name) ?? instanceNumber ?? index + 1,
      geometry,
      pixelSpacing,
      read: () => (slice ??= readSlice(path, beforeRead)),
    });
  }
  return { slices: sortSeries(slices), isDicom: true, studyUids: [...studyUids], skipped };
}

/** The slices of a DICOM series, one per file. */
export const openSeries = ({ files }: Series): ImageSlice[] =>
  files.map(({ path, instanceNumber, geometry, pixelSpacing }, index) => {
    let slice: Promise<SourceSlice> | undefined;
    return {
      path,
      instanceNumber: instanceNumber ?? index + 1,
      geometry,
      pixelSpacing,
      read: () => (slice ??= readSlice(path, () => {})),
    };
  });

/** The number of a file such as 12.dcm. */
function numberOf(name: string): number | null {
  const [, number] = /^(\d+)\.dcm$/i.exec(basename(name)) ?? [];
  return number === undefined ? null : Number(number);
}

async function readSlice(path: string, beforeRead: (path: string) => void): Promise<SourceSlice> {
  beforeRead(path);
  const [slice, ...others] = dicomSlices(await readDicom(path));
  if (slice !== undefined && others.length === 0) return slice;
  const found = slice === undefined ? 0 : 1 + others.length;
  throw new SpinegradError('ERR_FRAMES', `${path}: the file has ${found} frames, expected 1`);
}

/**
 * Reads the slice of a record of a bank, with the orientation and the spacing with which it was cut.
 *
 * @throws SpinegradError of `openImages`; ERR_INSTANCE_MISSING if the file has no such slice
 */
export async function readRecord(
  { dataDir }: Pick<BankManifest, 'dataDir'>,
  {
    file,
    instanceNumber,
    pixelSpacing,
    toImage,
  }: Pick<SliceRecord, 'file' | 'instanceNumber' | 'pixelSpacing' | 'toImage'>,
): Promise<SourceSlice> {
  const { slices } = await openImages(join(dataDir, file));
  const slice =
    slices.length === 1 ? slices[0] : slices.find((item) => item.instanceNumber === instanceNumber);
  if (slice !== undefined) return asCut(await slice.read(), { pixelSpacing, toImage });
  throw new SpinegradError(
    'ERR_INSTANCE_MISSING',
    `${join(dataDir, file)}: slice ${instanceNumber} is missing among the ${slices.length} of the file; prepare the bank again`,
  );
}

/** A slice with the spacing of a record of its series, and with those patient axes reflected that were reflected in the record. */
export function asCut(
  file: SourceSlice,
  { pixelSpacing, toImage }: Pick<SliceRecord, 'pixelSpacing' | 'toImage'>,
): SourceSlice {
  const slice = { ...file, pixelSpacing };
  const given = canonicalOrientation(slice.geometry ?? CANONICAL_GEOMETRY, 1, 1).toImage;
  const isReflected = (x: 0 | 1, y: 3 | 4) => given[x] * toImage[x] + given[y] * toImage[y] < 0;
  const upright = isReflected(1, 4) ? reflectSlice(slice, 'superior') : slice;
  return isReflected(0, 3) ? reflectSlice(upright, 'anterior') : upright;
}

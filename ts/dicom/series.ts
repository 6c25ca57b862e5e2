/**
 * Groups the files of a folder into series by their headers, and finds the sagittal series of a weighting. The plane follows from
 * the geometry; the weighting from Echo Time (0018,0081) or, if that is missing, from Series Description (0008,103E).
 */
import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Skipped, SpinegradError } from '../error.js';
import { entriesOf, readError } from '../io/files.js';
import { planeOf, sortSlices } from './geometry.js';
import { imageSize } from './layout.js';
import { readHeader } from './read.js';
import type { DicomHeader, Plane } from './types.js';

export interface Series {
  /** Series Instance UID (0020,000E), or the folder if the files have none. */
  id: string;
  /** Sorted by `slicePosition`; a series without geometry or of several planes by Instance Number (0020,0013). */
  files: DicomHeader[];
  /** `mixed`: the series has several planes, like a localizer; `unknown`: no file has a geometry. */
  plane: Plane | 'mixed' | 'unknown';
  modality: string | null;
  description: string | null;
  echoTime: number | null;
  repetitionTime: number | null;
  rows: number;
  columns: number;
  pixelSpacing: readonly [number, number] | null;
}

export interface FoundSeries {
  series: Series[];
  /** Files and folders that could not be read, and files without an image. */
  skipped: Skipped[];
}

/** Names of DICOM files in practice. Other files of a folder are ignored. */
export const DICOM_NAME = /(^[^.]+|\.(dcm|dicom|ima|\d+))$/i;

/** Minimum TE of T2-weighted spin echo, ms. Typical: 10 ms for T1, 30 ms for PD. */
const T2_ECHO_TIME = 60;

/** Maximum TE and TR of T1-weighted spin echo, ms. Typical: 10 and 600 ms; PD has the TE of T1 and the TR of T2. */
const T1_TIMES = { echo: 30, repetition: 1500 };

const T1_NAME = /(?<![a-z0-9])t1(?![a-z0-9])/i;
const NOT_T2 = /(?<![a-z0-9])(t1|pd|flair)(?![a-z0-9])/i;
const FAT_SUPPRESSED = /(?<![a-z])(stir|tirm|fs|fat.?sat|spair)(?![a-z])/i;

/**
 * Reads the headers of a file, or of all files below a folder, and groups them by series. Files and subfolders that
 * cannot be read are listed in `skipped`.
 *
 * @example
 * const { series } = await findSeries('study/');
 * const [best] = sagittalSeries(series, 'T2', 'study/');
 *
 * @throws SpinegradError ERR_FILE_NOT_FOUND, ERR_FILE_READ
 */
export async function findSeries(path: string): Promise<FoundSeries> {
  const groups = new Map<string, DicomHeader[]>();
  const skipped: Skipped[] = [];
  for (const file of await dicomFiles(path, skipped)) {
    try {
      const header = await readHeader(file);
      imageSize(header); // throws if there is no image
      const id = header.seriesInstanceUid ?? dirname(file);
      groups.set(id, [...(groups.get(id) ?? []), header]);
    } catch (error) {
      if (!(error instanceof SpinegradError)) throw error;
      skipped.push({ path: file, code: error.code, message: error.message });
    }
  }
  return { series: [...groups].map(([id, headers]) => seriesOf(id, headers)), skipped };
}

/**
 * The MR series of a plane and a weighting, best first: those without fat suppression (STIR) before the others, then by
 * number of slices.
 */
export function seriesOfKind(
  series: readonly Series[],
  { plane, weighting }: { plane: Plane; weighting: 'T1' | 'T2' },
): Series[] {
  const isWeighted = weighting === 'T1' ? isT1 : isT2;
  const slices = ({ files }: Series) => files.reduce((sum, { frames }) => sum + frames, 0);
  return series
    .filter((item) => item.plane === plane && isMr(item) && isWeighted(item))
    .sort((a, b) => Number(isFatSuppressed(a)) - Number(isFatSuppressed(b)) || slices(b) - slices(a));
}

/**
 * The sagittal series of a weighting, in the order of `seriesOfKind`.
 *
 * @param path for the error message
 * @throws SpinegradError ERR_SERIES_NOT_FOUND, with a list of the series that were found
 */
export function sagittalSeries(
  series: readonly Series[],
  weighting: 'T1' | 'T2',
  path: string,
): [Series, ...Series[]] {
  const [best, ...others] = seriesOfKind(series, { plane: 'sagittal', weighting });
  if (best === undefined) {
    const found = series.length === 0 ? 'no image series' : series.map(summary).join('; ');
    throw new SpinegradError(
      'ERR_SERIES_NOT_FOUND',
      `${path}: no sagittal ${weighting} series; found: ${found}; pass a file or folder that contains one`,
    );
  }
  return [best, ...others];
}

async function dicomFiles(path: string, skipped: Skipped[]): Promise<string[]> {
  const status = await stat(path).catch((cause) => {
    throw readError(path, cause);
  });
  if (!status.isDirectory()) return [path];
  const files: string[] = [];
  const folders = [path];
  for (const folder of folders) {
    try {
      for (const entry of await entriesOf(folder)) {
        const name = join(folder, entry.name);
        if (entry.isDirectory()) folders.push(name);
        else if (entry.isFile() && DICOM_NAME.test(entry.name) && entry.name !== 'DICOMDIR') files.push(name);
      }
    } catch (error) {
      const { code, message } = error as SpinegradError;
      skipped.push({ path: folder, code, message });
    }
  }
  return files.sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
}

function seriesOf(id: string, headers: DicomHeader[]): Series {
  const planes = new Set(headers.flatMap(({ geometry }) => (geometry === null ? [] : [planeOf(geometry)])));
  const plane = planes.size > 1 ? 'mixed' : ([...planes][0] ?? 'unknown');
  const numbered = [...headers].sort((a, b) => (a.instanceNumber ?? 0) - (b.instanceNumber ?? 0));
  const sortable = plane !== 'mixed' && headers.every(({ geometry }) => geometry !== null);
  const files = sortable ? sortSlices(numbered) : numbered;
  const { modality, seriesDescription, echoTime, repetitionTime, pixelSpacing, rows, columns } = headers[0]!;
  return {
    id,
    files,
    plane,
    modality,
    description: seriesDescription,
    echoTime,
    repetitionTime,
    rows: rows!,
    columns: columns!,
    pixelSpacing,
  };
}

function isMr({ modality }: Series): boolean {
  return modality === null || modality === 'MR';
}

function isT2({ echoTime, description }: Series): boolean {
  if (echoTime !== null) return echoTime >= T2_ECHO_TIME || isFatSuppressedName(description);
  return description === null || !NOT_T2.test(description);
}

function isT1({ echoTime, repetitionTime, description }: Series): boolean {
  if (echoTime === null) return T1_NAME.test(description ?? '');
  return (
    echoTime < T1_TIMES.echo &&
    (repetitionTime ?? 0) < T1_TIMES.repetition &&
    !isFatSuppressedName(description)
  );
}

function isFatSuppressed({ description, files }: Series): boolean {
  return isFatSuppressedName(description) || (files[0]?.inversionTime ?? 0) > 0;
}

function isFatSuppressedName(description: string | null): boolean {
  return FAT_SUPPRESSED.test(description ?? '');
}

function summary({ plane, modality, description, echoTime, files }: Series): string {
  const echo = echoTime === null ? 'no echo time' : `TE ${echoTime} ms`;
  return `${plane} ${modality ?? 'image'} "${description ?? ''}" (${files.length} files, ${echo})`;
}

/**
 * Finds the series in a folder from the headers of its files, and among them the one that the graders are made
 * for: the sagittal T2. The plane is taken from the geometry, the weighting from echo time and, where that is
 * missing, from the description.
 */
import { readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Skipped, SpinegradError } from '../error.js';
import { planeOf, sortSlices } from './geometry.js';
import { readHeader } from './read.js';
import type { DicomHeader, Plane } from './types.js';

export interface Series {
  /** SeriesInstanceUID, or the folder where the files have none. */
  id: string;
  /** Sorted along the slice axis (on sagittal series from the patient's right to the left), else by number. */
  files: DicomHeader[];
  /** `mixed`: scouts hold several planes in one series; `unknown`: no file has a geometry. */
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
  /** Files that could not be read, or that hold no image. */
  skipped: Skipped[];
}

/** Names that DICOM files have in practice; others in a folder are passed over in silence. */
const DICOM_NAME = /(^[^.]+|\.(dcm|dicom|ima|\d+))$/i;

/** Spin-echo images with a longer echo time than this (ms) are T2-weighted; T1 has some 10 ms, PD some 30. */
const T2_ECHO_TIME = 60;

const NOT_T2 = /(?<![a-z0-9])(t1|pd|flair)(?![a-z0-9])/i;
const FAT_SUPPRESSED = /(?<![a-z])(stir|tirm|fs|fat.?sat|spair)(?![a-z])/i;

/**
 * Reads the headers below `path` (a file, or a folder with all its subfolders) and groups them by series; subfolders
 * that cannot be opened are skipped.
 *
 * @throws SpinegradError ERR_FILE_NOT_FOUND
 */
export async function findSeries(path: string): Promise<FoundSeries> {
  const groups = new Map<string, DicomHeader[]>();
  const skipped: Skipped[] = [];
  for (const file of await dicomFiles(path, skipped)) {
    try {
      const header = await readHeader(file);
      if (!header.hasPixelData || !header.rows || !header.columns) {
        throw new SpinegradError('ERR_DICOM_NO_PIXELS', `${file}: holds no image`);
      }
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
 * The sagittal T2 series, the best one first: plain T2 before fat-suppressed (STIR), then the one with the most slices.
 *
 * @throws SpinegradError ERR_SERIES_NOT_FOUND, which says what was found instead
 */
export function sagittalT2(series: readonly Series[], path: string): [Series, ...Series[]] {
  const candidates = series.filter((one) => one.plane === 'sagittal' && isMr(one) && isT2(one));
  const slices = (one: Series) => one.files.reduce((sum, { frames }) => sum + frames, 0);
  const [best, ...others] = candidates.sort(
    (a, b) => Number(isFatSuppressed(a)) - Number(isFatSuppressed(b)) || slices(b) - slices(a),
  );
  if (best === undefined) {
    const found = series.length === 0 ? 'no image series' : series.map(summary).join('; ');
    throw new SpinegradError(
      'ERR_SERIES_NOT_FOUND',
      `${path}: no sagittal T2 series. Found: ${found}. Give a folder or file that holds one`,
    );
  }
  return [best, ...others];
}

async function dicomFiles(path: string, skipped: Skipped[]): Promise<string[]> {
  const status = await stat(path).catch((cause: unknown) => {
    throw new SpinegradError('ERR_FILE_NOT_FOUND', `${path}: there is no such file or folder`, { cause });
  });
  if (!status.isDirectory()) return [path];
  const files: string[] = [];
  const folders = [path];
  for (const folder of folders) {
    try {
      for (const entry of await readdir(folder, { withFileTypes: true })) {
        const name = join(folder, entry.name);
        if (entry.isDirectory()) folders.push(name);
        else if (entry.isFile() && DICOM_NAME.test(entry.name) && entry.name !== 'DICOMDIR') files.push(name);
      }
    } catch (error) {
      const message = `${folder}: cannot be opened (${(error as Error).message})`;
      skipped.push({ path: folder, code: 'ERR_FILE_READ', message });
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

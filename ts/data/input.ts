/** Reads the input of `predict` (DICOM, NIfTI, MetaImage or PNG) as one sagittal stack. */
import { DicomPool } from '../dicom/pool.js';
import { findSeries, type Series, sagittalSeries } from '../dicom/series.js';
import { type Skipped, SpinegradError } from '../error.js';
import { checkPixels } from '../io/imageLimit.js';
import { isImageFile, openImages } from './images.js';
import { dicomSlices, type SourceSlice, sortSeries } from './series.js';

export interface InputSeries {
  /** From the patient's right to the left; at least one. */
  slices: SourceSlice[];
  /**
   * Files that could not be read, and unused sagittal series: ERR_SERIES_EXTRA, or ERR_STUDY_EXTRA of other studies.
   */
  skipped: Skipped[];
  /** All series of the same study, from the headers; none for an image file. */
  study: readonly Series[];
}

/**
 * Reads a NIfTI or MetaImage volume, a PNG slice, or the sagittal series of a weighting of a DICOM file or folder.
 *
 * @param spacing between rows and between columns in mm, for a file without spacing; null if it is not known
 * @throws SpinegradError the errors of `openImages`, `findSeries` and `sagittalSeries`; ERR_DICOM_* for a file without an
 *   image; ERR_SERIES_EMPTY if no file can be decoded
 */
export async function readInput(
  path: string,
  spacing: readonly [number, number] | null,
  weighting: 'T1' | 'T2',
): Promise<InputSeries> {
  if (isImageFile(path)) {
    const stack = await openImages(path);
    const slices: SourceSlice[] = [];
    for (const entry of stack.slices) {
      const slice = await entry.read();
      slices.push({ ...slice, pixelSpacing: slice.pixelSpacing ?? spacing });
    }
    return { slices, skipped: [], study: [] };
  }
  const { series, skipped } = await findSeries(path);
  const unread = skipped.find((entry) => entry.path === path);
  if (unread) throw new SpinegradError(unread.code, unread.message);
  const [chosen, ...others] = sagittalSeries(series, weighting, path);
  const pixels = chosen.files.reduce((sum, { rows, columns, frames }) => sum + rows! * columns! * frames, 0);
  checkPixels(path, pixels, `a series of ${chosen.files.length} files with ${pixels} pixels`);
  const studyOf = ({ files }: typeof chosen) => files[0]!.studyInstanceUid;
  for (const other of others) {
    const code = studyOf(other) === studyOf(chosen) ? 'ERR_SERIES_EXTRA' : 'ERR_STUDY_EXTRA';
    const file = other.files[0]!.path;
    skipped.push({
      path: file,
      code,
      message: `${file}: another sagittal ${weighting} series; ${chosen.files[0]!.path} is used`,
    });
  }
  await using pool = new DicomPool();
  const slices: SourceSlice[] = [];
  for await (const result of pool.readAll(chosen.files.map((file) => file.path))) {
    if ('image' in result) slices.push(...dicomSlices(result.image));
    else skipped.push({ path: result.path, code: result.error.code, message: result.error.message });
  }
  if (slices.length === 0) {
    throw new SpinegradError(
      'ERR_SERIES_EMPTY',
      `${path}: no file of the series can be decoded; ${skipped[0]?.message}`,
    );
  }
  const study = series.filter((item) => studyOf(item) === studyOf(chosen));
  return { slices: sortSeries(slices), skipped, study };
}

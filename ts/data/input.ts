/** Reads the input of `predict` (DICOM, NIfTI, MetaImage or PNG) as one sagittal stack. */
import { DicomPool } from '../dicom/pool.js';
import { findSeries, sagittalT2 } from '../dicom/series.js';
import { type Skipped, SpinegradError } from '../error.js';
import { isImageFile, openImages } from './images.js';
import { dicomSlices, type SourceSlice, sortSeries } from './series.js';

export interface InputSeries {
  /** From the patient's right to the left; at least one. */
  slices: SourceSlice[];
  /**
   * Files that could not be read, and unused sagittal T2 series: ERR_SERIES_EXTRA, or ERR_STUDY_EXTRA of other studies.
   */
  skipped: Skipped[];
}

/**
 * Reads a NIfTI or MetaImage volume, a PNG slice, or the sagittal T2 series of a DICOM file or folder.
 *
 * @param spacing between rows and between columns in mm, for a PNG
 * @throws SpinegradError the errors of `openImages`, `findSeries` and `sagittalT2`; ERR_PIXEL_SPACING for a PNG without
 *   `spacing`; ERR_DICOM_* for a file without an image; ERR_SERIES_EMPTY if no file can be decoded
 */
export async function readInput(
  path: string,
  spacing: readonly [number, number] | null,
): Promise<InputSeries> {
  if (isImageFile(path)) {
    const stack = await openImages(path);
    const slices: SourceSlice[] = [];
    for (const entry of stack.slices) {
      const slice = await entry.read();
      const pixelSpacing = slice.pixelSpacing ?? spacing;
      if (pixelSpacing === null) {
        throw new SpinegradError(
          'ERR_PIXEL_SPACING',
          `${path}: the file has no pixel spacing; pass it with --spacing MM`,
        );
      }
      slices.push({ ...slice, pixelSpacing });
    }
    return { slices, skipped: [] };
  }
  const { series, skipped } = await findSeries(path);
  const unread = skipped.find((entry) => entry.path === path);
  if (unread) throw new SpinegradError(unread.code, unread.message);
  const [chosen, ...others] = sagittalT2(series, path);
  const studyOf = ({ files }: typeof chosen) => files[0]!.studyInstanceUid;
  for (const other of others) {
    const code = studyOf(other) === studyOf(chosen) ? 'ERR_SERIES_EXTRA' : 'ERR_STUDY_EXTRA';
    const file = other.files[0]!.path;
    skipped.push({
      path: file,
      code,
      message: `${file}: another sagittal T2 series; ${chosen.files[0]!.path} is used`,
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
  return { slices: sortSeries(slices), skipped };
}

/** `spinegrad inspect FILE`: prints the header, the geometry and the range of values of a DICOM file. */
import { Command } from 'commander';
import { canonicalOrientation, planeOf } from '../dicom/geometry.js';
import { readDicom, readHeader } from '../dicom/read.js';
import type { DicomFrame, DicomHeader } from '../dicom/types.js';
import { SpinegradError } from '../error.js';
import { expectWritable, writeFileAtomic } from '../io/atomic.js';
import { npyBytes } from '../io/npy.js';

export function inspectCommand(): Command {
  return new Command('inspect')
    .description('print selected tags, the geometry and the range of values of a DICOM file as JSON')
    .argument('<file>', 'DICOM file')
    .option('--npy <out>', 'write the modality values (after rescale) as a float32 .npy file')
    .action(async (file: string, options: { npy?: string }) => {
      await expectWritable(options.npy);
      const header = await readHeader(file);
      const { pixels, shape, frames } = await decode(file, header);
      if (options.npy !== undefined) await writeNpy(options.npy, shape, frames);
      process.stdout.write(`${JSON.stringify({ ...header, ...orientationOf(header), pixels }, null, 2)}\n`);
    });
}

/** Decodes the image; null pixels for a file that has none. */
async function decode(file: string, header: DicomHeader) {
  if (!header.hasPixelData) return { pixels: null, shape: [], frames: [] };
  // The values of pydicom's apply_modality_lut.
  const { frames, rows, columns } = await readDicom(file, { invertMonochrome1: false });
  const shape = frames.length === 1 ? [rows, columns] : [frames.length, rows, columns];
  return { pixels: { shape, ...rangeOf(frames) }, shape, frames };
}

function orientationOf({ geometry, rows, columns }: DicomHeader) {
  if (geometry === null || rows === null || columns === null) return { plane: null, canonical: null };
  return { plane: planeOf(geometry), canonical: canonicalOrientation(geometry, columns, rows) };
}

function rangeOf(frames: readonly DicomFrame[]): { min: number; max: number } {
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  for (const { pixels } of frames) {
    for (const value of pixels) {
      if (value < min) min = value;
      if (value > max) max = value;
    }
  }
  return { min, max };
}

async function writeNpy(path: string, shape: number[], frames: readonly DicomFrame[]): Promise<void> {
  if (frames.length === 0) {
    throw new SpinegradError(
      'ERR_DICOM_NO_PIXELS',
      `${path}: not written, because the DICOM file has no image`,
    );
  }
  const bytes = npyBytes(
    shape,
    frames.map(({ pixels }) => pixels),
  );
  await writeFileAtomic(path, bytes);
}

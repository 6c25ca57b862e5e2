import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readDicom } from '#spinegrad/dicom/read.js';
import { SpinegradError } from '#spinegrad/error.js';

interface Golden {
  files: Record<string, { shape?: number[]; sha256?: string; error?: string }>;
}

const data = process.env.SPINEGRAD_TEST_DATA;
const golden: Golden = JSON.parse(readFileSync(new URL('./golden/pydicom.json', import.meta.url), 'utf8'));

/** Files that pydicom decodes and spinegrad does not support: Bits Allocated 1, PALETTE COLOR. */
const UNSUPPORTED = ['dicom-odd/liver_1frame.dcm', 'dicom-transfer-syntaxes/no-pixel-spacing.dcm'];

describe.skipIf(data === undefined)('pixels equal those of pydicom (SPINEGRAD_TEST_DATA)', () => {
  it.each(Object.entries(golden.files))('%s', async (file, { shape, sha256 }) => {
    const path = join(data!, file);
    const read = readDicom(path, { invertMonochrome1: false });
    if (sha256 === undefined || UNSUPPORTED.includes(file)) {
      const error = await read.then(
        () => expect.fail('decoded a file that pydicom cannot decode'),
        (thrown) => thrown,
      );
      expect(error).toBeInstanceOf(SpinegradError);
      expect(error.code).toMatch(/^ERR_DICOM_/);
      expect(error.message.startsWith(`${path}: `)).toBe(true);
      return;
    }
    const { frames, rows, columns } = await read;
    expect(frames.length === 1 ? [rows, columns] : [frames.length, rows, columns]).toEqual(shape);
    const hash = createHash('sha256');
    for (const { pixels } of frames) hash.update(new Uint8Array(Float32Array.from(pixels).buffer));
    expect(hash.digest('hex')).toBe(sha256);
  });
});

/** Small files that state or unpack to gigabytes are refused before anything is unpacked. */
import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openImages } from '#spinegrad/data/images.js';
import { readInput } from '#spinegrad/data/input.js';
import { readMha } from '#spinegrad/data/mha.js';
import { readNifti } from '#spinegrad/data/nifti.js';
import { readPng } from '#spinegrad/data/png.js';
import { readDicom } from '#spinegrad/dicom/read.js';
import { MAX_FILE_BYTES, MAX_PIXEL_BYTES, MAX_PIXELS } from '#spinegrad/io/imageLimit.js';
import { buildDicom, dataSet, encapsulated, imageElements, us } from '../dicom/build.js';
import { encodeMha } from './metaImage.js';
import { encodeNifti } from './niftiFile.js';
import { encodePng as png } from './pngFile.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'spinegrad-limit-'));
});
afterAll(() => rm(folder, { recursive: true }));

const write = async (name: string, bytes: Uint8Array) => {
  const path = join(folder, name);
  await writeFile(path, bytes);
  return path;
};

/** Fails if a call takes more than a second of the processors, or the memory of the process grows by more than 64 MB. */
async function quickly(call: () => Promise<unknown>) {
  const [start, memory] = [process.cpuUsage(), process.resourceUsage().maxRSS];
  const error = await call().then(
    () => expect.unreachable(),
    (cause) => cause,
  );
  const { user, system } = process.cpuUsage(start);
  expect(user + system).toBeLessThan(1e6);
  expect(process.resourceUsage().maxRSS - memory).toBeLessThan(64 * 1024);
  return error;
}

describe('a size in the header above the limit is ERR_IMAGE_LIMIT, which names it:', () => {
  test('PNG', async () => {
    const path = await write('large.png', png(30_000, 30_000, [['IDAT', deflateSync(Buffer.alloc(1000))]]));
    expect(await quickly(() => readPng(path, null))).toMatchObject({
      code: 'ERR_IMAGE_LIMIT',
      message:
        `${path}: found an image of 30000 x 30000 pixels, expected at most ${MAX_PIXELS} pixels; ` +
        'crop or resample the image',
    });
  });

  test('NIfTI, compressed', async () => {
    const volume = gzipSync(encodeNifti({ size: [1500, 1500, 1500], voxelBytes: 20_000_000 }));
    const path = await write('large.nii.gz', volume);
    expect(await quickly(() => readNifti(path))).toMatchObject({
      code: 'ERR_IMAGE_LIMIT',
      message: expect.stringContaining(`1500 x 1500 x 1500 pixels, expected at most ${MAX_PIXELS} pixels`),
    });
  });

  test('MetaImage, compressed', async () => {
    const volume = encodeMha({ size: [1, 1, 1], compressed: true, fields: { DimSize: '2000 2000 2000' } });
    const path = await write('large.mha', volume);
    const error = await quickly(() => readMha(path));
    expect(error).toMatchObject({
      code: 'ERR_IMAGE_LIMIT',
      message: expect.stringContaining(`${MAX_PIXELS}`),
    });
  });

  test('MetaImage of 64-bit voxels, by bytes', async () => {
    const fields = { DimSize: '512 512 500', ElementType: 'MET_DOUBLE' };
    const path = await write('bytes.mha', encodeMha({ size: [1, 1, 1], compressed: true, fields }));
    const error = await quickly(() => readMha(path));
    expect(error.code).toBe('ERR_IMAGE_LIMIT');
    expect(error.message).toContain(`1048576000 bytes, expected at most ${MAX_PIXEL_BYTES} bytes`);
  });

  test('DICOM, rows x columns x frames', async () => {
    const elements = imageElements(1, 2, Buffer.alloc(0), {
      '00280008': ['IS', '200000'],
      '00280010': ['US', us(1000)],
      '00280011': ['US', us(1000)],
      '7FE00010': ['OB', encapsulated([us(1, 2)])],
    });
    const path = await write('large.dcm', buildDicom(elements, { transferSyntax: '1.2.840.10008.1.2.5' }));
    const error = await quickly(() => readDicom(path));
    expect(error).toMatchObject({
      code: 'ERR_IMAGE_LIMIT',
      message: expect.stringContaining('1000 x 1000 x 200000 pixels'),
    });
  });

  test('slices of one pixel', async () => {
    const volume = encodeMha({ size: [1, 1, 1], compressed: true, fields: { DimSize: '1 1 100000000' } });
    const elements = imageElements(1, 1, Buffer.alloc(0), {
      '00280008': ['IS', '1000000'],
      '7FE00010': ['OB', encapsulated([us(1, 2)])],
    });
    const frames = buildDicom(elements, { transferSyntax: '1.2.840.10008.1.2.5' });
    for (const path of [await write('slices.mha', volume), await write('frames.dcm', frames)]) {
      expect(await quickly(() => openImages(path))).toMatchObject({
        code: 'ERR_IMAGE_LIMIT',
        message: expect.stringMatching(
          /1 x 1 x 1000+ pixels, expected at most 4096 pixels along each axis; /,
        ),
      });
    }
  });

  test('PNG of 16,000,000 x 1', async () => {
    const path = await write(
      'wide.png',
      png(16_000_000, 1, [['IDAT', deflateSync(Buffer.alloc(16_000_001))]]),
    );
    expect(await quickly(() => readPng(path, null))).toMatchObject({ code: 'ERR_IMAGE_LIMIT' });
  });

  test('DICOM series of many files', async () => {
    const series = join(folder, 'series');
    await mkdir(series);
    const elements = imageElements(4096, 4096, Buffer.alloc(0), {
      '7FE00010': ['OB', encapsulated([us(1)])],
    });
    const bytes = buildDicom(elements, { transferSyntax: '1.2.840.10008.1.2.5' });
    for (let i = 0; i < 9; i++) await write(`series/${i}.dcm`, bytes);
    const error = await quickly(() => readInput(series, null, 'T2'));
    expect(error).toMatchObject({
      code: 'ERR_IMAGE_LIMIT',
      message: expect.stringContaining(
        `${series}: found a series of 9 files with 150994944 pixels, expected at most ${MAX_PIXELS} pixels`,
      ),
    });
  });

  test('the file itself', async () => {
    for (const [name, read] of [
      ['file.nii', readNifti],
      ['file.mha', readMha],
      ['file.dcm', readDicom],
    ] as const) {
      const path = await write(name, encodeNifti({ size: [2, 2, 2] }));
      const file = await open(path, 'r+');
      await file.truncate(MAX_FILE_BYTES + 1);
      await file.close();
      const error = await quickly(() => read(path));
      expect(error).toMatchObject({
        code: 'ERR_IMAGE_LIMIT',
        message: expect.stringContaining(`${MAX_FILE_BYTES}`),
      });
    }
  });
});

describe('more bytes than the header states are not unpacked:', () => {
  const zeros = Buffer.alloc(100_000_000);

  test('PNG', async () => {
    const path = await write('bomb.png', png(100, 100, [['IDAT', deflateSync(zeros)]]));
    expect(await quickly(() => readPng(path, null))).toMatchObject({
      code: 'ERR_PNG',
      message: expect.stringContaining('more bytes of pixels than the 10100 of the header'),
    });
  });

  test('PNG with a colour profile, which is ignored', async () => {
    const profile = Buffer.concat([Buffer.from('name\0\0'), deflateSync(zeros)]);
    const chunks = [
      ['iCCP', profile],
      ['IDAT', deflateSync(Buffer.alloc(6, 0))],
    ] as const;
    const memory = process.resourceUsage().maxRSS;
    const { columns, rows } = await readPng(await write('profile.png', png(2, 2, chunks)), null);
    expect([columns, rows]).toEqual([2, 2]);
    expect(process.resourceUsage().maxRSS - memory).toBeLessThan(64 * 1024);
  });

  test('PNG of millions of chunks', async () => {
    const chunks = Array.from({ length: 70_000 }, () => ['IDAT', Buffer.alloc(0)] as const);
    const path = await write('chunks.png', png(100, 100, chunks));
    expect(await quickly(() => readPng(path, null))).toMatchObject({
      code: 'ERR_PNG',
      message: expect.stringContaining('more than 65536 chunks'),
    });
  });

  test('deflated DICOM', async () => {
    const head = buildDicom({}, { transferSyntax: '1.2.840.10008.1.2.1.99' });
    const image = dataSet(imageElements(16, 16, Buffer.alloc(512)));
    const path = await write(
      'bomb.dcm',
      Buffer.concat([head, deflateRawSync(Buffer.concat([image, zeros]))]),
    );
    expect(await quickly(() => readDicom(path))).toMatchObject({
      code: 'ERR_DICOM_TRUNCATED',
      message: expect.stringContaining('inflates to more than 16777728 bytes'),
    });
  });

  test('NIfTI', async () => {
    const path = await write(
      'bomb.nii.gz',
      gzipSync(Buffer.concat([encodeNifti({ size: [4, 4, 4] }), zeros])),
    );
    expect(await quickly(() => readNifti(path))).toMatchObject({
      code: 'ERR_NIFTI',
      message: expect.stringContaining('found more than 480 bytes; expected 480, from the header'),
    });
  });
});

test('a pipe is refused instead of waiting for a writer', async () => {
  for (const name of ['pipe.png', 'pipe.nii', 'pipe.mha', 'pipe.dcm']) {
    const path = join(folder, name);
    spawnSync('mkfifo', [path]);
    const error = await quickly(() => openImages(path));
    expect(error).toMatchObject({ code: 'ERR_FILE_READ', message: expect.stringContaining('a pipe') });
  }
});

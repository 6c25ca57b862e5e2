import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readMha } from '#spinegrad/data/mha.js';
import { letterboxSlice } from '#spinegrad/data/roi.js';
import { planeOf, toPatient } from '#spinegrad/dicom/geometry.js';
import { SpinegradError } from '#spinegrad/error.js';
import golden from './golden/mha.json' with { type: 'json' };
import { encodeMha, type MetaImage } from './metaImage.js';

let folder: string;
let path: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'spinegrad-mha-'));
  path = join(folder, 'volume.mha');
});
afterAll(() => rm(folder, { recursive: true }));

async function readBytes(bytes: Buffer) {
  await writeFile(path, bytes);
  return readMha(path);
}

/** 4 x 3 x 2 voxels with the values 0 to 23. */
const SMALL: MetaImage = { size: [4, 3, 2], values: Int16Array.from({ length: 24 }, (_, i) => i) };
const small = (fields: MetaImage['fields'], compressed = false) =>
  encodeMha({ ...SMALL, compressed, fields });

describe('a MetaImage file that ITK reads', () => {
  test.each(golden.cases)('$name: has the values and patient coordinates of ITK', async (itk) => {
    const slices = await readBytes(Buffer.from(itk.file, 'base64'));
    const pixels = slices.flatMap(({ pixels, columns, geometry, pixelSpacing }) =>
      Array.from(pixels, (value, i) => ({
        value,
        point: toPatient(geometry!, pixelSpacing!, i % columns, Math.floor(i / columns)),
      })),
    );
    expect(pixels).toHaveLength(60);
    for (const [voxel, value] of itk.values.entries()) {
      const index = [voxel % 3, Math.floor(voxel / 3) % 4, Math.floor(voxel / 12)];
      const point = itk.origin.map((o, row) =>
        index.reduce((sum, n, axis) => sum + n * itk.spacing[axis]! * itk.direction[3 * row + axis]!, o),
      );
      const found = pixels.filter((pixel) => Math.hypot(...pixel.point.map((x, i) => x - point[i]!)) < 1e-3);
      expect(found.map((pixel) => pixel.value)).toEqual([Math.fround(value)]);
    }
  });
});

describe('the slices of a volume', () => {
  test('are sagittal, from right to left, and numbered along the voxel axis', async () => {
    const slices = await readBytes(small({}));
    expect(slices.map(({ geometry }) => planeOf(geometry!))).toEqual(['sagittal', 'sagittal']);
    expect(slices.map(({ geometry }) => geometry!.position[0])).toEqual([0, 4]);
    expect(slices.map(({ instanceNumber }) => instanceNumber)).toEqual([1, 2]);
    const fromLeft = await readBytes(small({ TransformMatrix: '0 1 0 0 0 -1 -1 0 0' }));
    expect(fromLeft.map(({ instanceNumber }) => instanceNumber)).toEqual([2, 1]);
    expect(fromLeft[0]!.pixels).toEqual(slices[1]!.pixels);
  });

  test('have no pixel spacing if the file states none', async () => {
    const [slice] = await readBytes(small({ ElementSpacing: undefined }));
    expect(slice!.pixelSpacing).toBeNull();
  });

  test('are canonical after letterboxSlice for every order of the voxel axes', async () => {
    const [expected] = await readBytes(small({ ElementSpacing: '1 1 1' }));
    const { pixels } = letterboxSlice({ ...expected!, pixelSpacing: [1, 1] }, 16);
    // The same voxels, stored with the axes left, inferior, posterior.
    const values = Int16Array.from({ length: 24 }, (_, i) => {
      const [k, y, x] = [i % 2, Math.floor(i / 2) % 3, Math.floor(i / 6)];
      return x + 4 * (y + 3 * k);
    });
    const fields = { TransformMatrix: '1 0 0 0 0 -1 0 1 0', ElementSpacing: '1 1 1' };
    const [slice] = await readBytes(encodeMha({ size: [2, 3, 4], values, fields }));
    expect(letterboxSlice({ ...slice!, pixelSpacing: [1, 1] }, 16).pixels).toEqual(pixels);
  });

  test('have 0 where a value is not finite', async () => {
    const values = Float32Array.of(1, Number.NaN, Number.POSITIVE_INFINITY, -2);
    const [slice] = await readBytes(encodeMha({ size: [4, 1, 1], values }));
    expect(slice!.pixels).toEqual(Float32Array.of(1, 0, 0, -2));
  });

  test('are the same raw, compressed by zlib or gzip, and without CompressedDataSize', async () => {
    const raw = await readBytes(small({}));
    expect(await readBytes(small({}, true))).toEqual(raw);
    expect(await readBytes(small({ CompressedDataSize: undefined }, true))).toEqual(raw);
    const header = small({ CompressedData: 'True' }).subarray(0, -48);
    const gzipped = gzipSync(Buffer.from(SMALL.values!.buffer));
    expect(await readBytes(Buffer.concat([header, gzipped]))).toEqual(raw);
  });
});

describe('an invalid file', () => {
  test.each<[string, Buffer, string[]]>([
    ['no MetaImage', Buffer.from('not MetaImage\n'), ["the line 'not MetaImage'", 'key = value']],
    ['an empty file', Buffer.alloc(0), ['no line ElementDataFile']],
    ['a header without end', Buffer.from('NDims = 3\n'), ['no line ElementDataFile']],
    ['another object', small({ ObjectType: 'Tube' }), ['ObjectType = Tube', 'expected Image']],
    ['an external file', small({ ElementDataFile: 'a.raw' }), ['a.raw', 'LOCAL', 'SimpleITK.WriteImage']],
    ['a list of files', small({ ElementDataFile: 'LIST' }), ['ElementDataFile = LIST', 'LOCAL']],
    ['text', small({ BinaryData: 'False' }), ['voxels as text', 'BinaryData = True']],
    ['a skipped header', small({ HeaderSize: '-1' }), ['HeaderSize = -1']],
    ['two dimensions', small({ NDims: '2' }), ['NDims = 2', 'expected 3']],
    ['no NDims', small({ NDims: undefined }), ['NDims = (missing)']],
    ['colours', small({ ElementNumberOfChannels: '3' }), ['3 components', 'one grey value']],
    ['no DimSize', small({ DimSize: undefined }), ['no DimSize']],
    ['a size of two numbers', small({ DimSize: '4 3' }), ['DimSize = 4 3', '3 numbers']],
    ['a size of 0', small({ DimSize: '4 0 2' }), ['DimSize = 4 0 2', 'positive integers']],
    ['a size that is no integer', small({ DimSize: '4 2.5 2' }), ['positive integers']],
    ['a spacing of 0', small({ ElementSpacing: '1 0 1' }), ['ElementSpacing = 1 0 1', 'positive']],
    ['a spacing that is no number', small({ ElementSpacing: '1 x 1' }), ['1 x 1', '3 numbers']],
    ['an unknown element type', small({ ElementType: 'MET_HALF' }), ['MET_HALF', 'MET_SHORT']],
    ['no element type', small({ ElementType: undefined }), ['ElementType = (missing)']],
    ['a singular direction', small({ TransformMatrix: '0 0 0 0 0 0 0 0 0' }), ['perpendicular unit vectors']],
    ['a short matrix', small({ TransformMatrix: '1 0 0 1' }), ['TransformMatrix = 1 0 0 1', '9 numbers']],
    [
      'a volume that is oblique by 40 degrees',
      small({ TransformMatrix: '0.766044 0.642788 0 -0.642788 0.766044 0 0 0 1' }),
      ['40 degrees', 'at most 30', 'resample'],
    ],
    ['a truncated raw file', small({}).subarray(0, -1), ['47 bytes of voxels', 'expected 48', 'truncated']],
    ['a truncated compressed file', small({}, true).subarray(0, -1), ['compressed bytes', 'truncated']],
    [
      'a truncated compressed file without its size',
      small({ CompressedDataSize: undefined }, true).subarray(0, -9),
      ['cannot be unpacked'],
    ],
    [
      'more voxels than DimSize',
      small({ DimSize: '4 3 1' }),
      ['48 bytes of voxels', 'expected 24', 'disagree'],
    ],
    ['more unpacked voxels', small({ DimSize: '4 3 1' }, true), ['more than 24 bytes']],
    ['fewer unpacked voxels', small({ DimSize: '4 3 3' }, true), ['48 bytes of voxels', 'expected 72']],
  ])('%s: ERR_MHA names the file, what was found and what is expected', async (_, bytes, parts) => {
    const error = await readBytes(bytes).catch((cause) => cause);
    expect(error).toBeInstanceOf(SpinegradError);
    expect(error.code).toBe('ERR_MHA');
    for (const part of [path, ...parts]) expect(error.message).toContain(part);
  });

  test('that is missing is ERR_FILE_NOT_FOUND, and a folder ERR_FILE_READ', async () => {
    await expect(readMha(join(folder, 'none.mha'))).rejects.toMatchObject({ code: 'ERR_FILE_NOT_FOUND' });
    await expect(readMha(folder)).rejects.toMatchObject({ code: 'ERR_FILE_READ' });
  });

  test('of 20 degrees is not oblique', async () => {
    const [c, s] = [Math.cos(Math.PI / 9), Math.sin(Math.PI / 9)];
    const [slice] = await readBytes(small({ TransformMatrix: `${-s} ${c} 0 0 0 -1 ${c} ${s} 0` }));
    expect(planeOf(slice!.geometry!)).toBe('sagittal');
  });
});

test('any change of a file gives slices or ERR_MHA', async () => {
  const files = [small({}), small({}, true)];
  const change = fc.record({
    file: fc.constantFrom(...files),
    at: fc.nat(files[0]!.length - 1),
    removed: fc.nat(12),
    added: fc.oneof(
      fc.uint8Array({ maxLength: 12 }),
      fc.string({ maxLength: 12 }).map((s) => Buffer.from(s)),
    ),
  });
  await fc.assert(
    fc.asyncProperty(change, async ({ file, at, removed, added }) => {
      const bytes = Buffer.concat([file.subarray(0, at), added, file.subarray(at + removed)]);
      const result = await readBytes(bytes).catch((error) => error);
      if (result instanceof Error) expect(result).toMatchObject({ code: 'ERR_MHA' });
      else expect(result.length).toBeGreaterThan(0);
    }),
    { numRuns: 500 },
  );
});

import { copyFile, mkdtemp, readFile, rm, truncate, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { gzipSync } from 'node:zlib';
import { decode, encode } from 'fast-png';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { LEVELS } from '#spinegrad/anatomy.js';
import { applyAffine } from '#spinegrad/data/affine.js';
import { countReasons, prepareBank, readBank } from '#spinegrad/data/bank.js';
import { readDataset } from '#spinegrad/data/dataset.js';
import { centreOf as annotatedCentre } from '#spinegrad/data/manifest.js';
import { CutPool } from '#spinegrad/data/pool.js';
import { readDicom } from '#spinegrad/dicom/read.js';
import { DEFAULT_TASK } from '#spinegrad/tasks/index.js';
import { COLUMNS, centreOf, SERIES, tinyDicom, tinyLayout } from './layout.js';
import { encodeMha } from './metaImage.js';
import { encodeNifti } from './niftiFile.js';

let data: string;
let out: string;
const roi = { size: 16, mode: 'mm', extentMm: 64, neighbours: 1 } as const;
const studies = ['11', '12', '13', '14', '15', '16'].map((studyId) => ({ studyId }));

beforeAll(async () => {
  data = await tinyLayout(studies);
  out = await mkdtemp(join(tmpdir(), 'spinegrad-bank-'));
});
afterAll(async () => {
  await rm(data, { recursive: true });
  await rm(out, { recursive: true });
});

describe('a bank', () => {
  test('has each disc on its slice and the neighbouring slices, with its origin', async () => {
    const progress: number[] = [];
    const written = await prepareBank({
      data,
      out,
      roi,
      sliceSize: 32,
      onProgress: ({ done }) => progress.push(done),
    });
    expect(progress).toEqual([0, 1, 2, 3, 4, 5, 6]);
    const { manifest, rois, slices } = await readBank(out);
    expect(manifest).toEqual(JSON.parse(JSON.stringify(written)));
    expect(manifest).toMatchObject({
      studies: 6,
      discs: 30,
      layout: 'rsna',
      synthetic: false,
      skipped: [],
    });
    expect(rois).toHaveLength(6 * 5 * 3 * 16 * 16);
    expect(slices).toHaveLength(6 * 32 * 32);
    const first = manifest.rois.slice(0, 3);
    expect(first.map(({ disc, sliceOffset, instanceNumber }) => [disc, sliceOffset, instanceNumber])).toEqual(
      [
        [0, 0, 2],
        [0, -1, 3],
        [0, 1, 1],
      ],
    );
    expect(first[0]).toMatchObject({
      level: 'L1/L2',
      grades: [0],
      centrePx: [20, 6],
      centreMm: [0, 80, -24],
    });
    expect(applyAffine(first[0]!.toImage, [7.5, 7.5])).toEqual([20, 6]);
    const counted = Object.values(manifest.classCounts[DEFAULT_TASK]!).flatMap((counts) =>
      Object.values(counts),
    );
    expect(counted.reduce((a, b) => a + b)).toBe(30);
  });

  test('has the pixels of the files and the disc centres in each slice', async () => {
    const { manifest, rois, slices } = await readBank(out);
    const record = manifest.rois.find(({ studyId, level }) => studyId === '13' && level === 'L3/L4')!;
    const source = await readDicom(join(data, record.file));
    const { low, high } = record.window;
    const [x, y] = applyAffine(record.toImage, [8, 8]);
    const value = low + ((high - low) * rois[record.row * 256 + 8 * 16 + 8]!) / 65535;
    expect(value).toBeCloseTo(100 + 7 * x + 3 * y + 2, 1);
    expect(source.frames[0]!.pixels[0]).toBe(102);

    const slice = manifest.slices.find(({ studyId }) => studyId === '13')!;
    expect(slice).toMatchObject({ instanceNumber: 2, imageSize: [COLUMNS, 48], split: record.split });
    for (const [i, level] of LEVELS.entries()) {
      const [px, py] = applyAffine(slice.toImage, annotatedCentre(slice, level)!);
      expect([px, py]).toEqual(centreOf(i).map((n) => expect.closeTo(n, 6)));
    }
    expect(slices.subarray(slice.row * 1024, (slice.row + 1) * 1024).some((pixel) => pixel > 60_000)).toBe(
      true,
    );
  });

  test('has the same bytes for any number of threads', async () => {
    const other = await mkdtemp(join(tmpdir(), 'spinegrad-bank-'));
    const manifest = await prepareBank({ data, out: other, roi, sliceSize: 32, threads: 5 });
    expect(manifest.fingerprint).toBe((await readBank(out)).manifest.fingerprint);
    expect(await readFile(join(other, 'bank.safetensors'))).toEqual(
      await readFile(join(out, 'bank.safetensors')),
    );
    await rm(other, { recursive: true });
  });

  test('has a contact sheet', async () => {
    const sheet = decode(await readFile(join(out, 'contact-sheet.png')));
    expect(sheet.channels).toBe(3);
    expect(sheet.data.some((value) => value === 255)).toBe(true);
  });

  test('rejects invalid settings and aborts', async () => {
    await expect(prepareBank({ data, out, roi: { size: 1.5 } })).rejects.toMatchObject({ code: 'ERR_ROI' });
    await expect(prepareBank({ data, out, roi: { neighbours: -1 } })).rejects.toMatchObject({
      code: 'ERR_ROI',
    });
    const fractions = { train: 1, validation: 1, test: 1 };
    await expect(prepareBank({ data, out, split: { fractions } })).rejects.toMatchObject({
      code: 'ERR_SPLIT',
    });
    const signal = AbortSignal.abort();
    await expect(prepareBank({ data, out, roi, signal })).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  });
});

describe('readBank rejects a bank with', () => {
  let copy: string;
  const damage = async (change: () => Promise<void>) => {
    copy = await mkdtemp(join(tmpdir(), 'spinegrad-bank-'));
    for (const file of ['bank.safetensors', 'manifest.json'])
      await copyFile(join(out, file), join(copy, file));
    await change();
    const error = await readBank(copy).catch((caught: unknown) => caught);
    await rm(copy, { recursive: true });
    return error;
  };
  const manifestWith = (change: (text: string) => string) => async () => {
    const path = join(copy, 'manifest.json');
    await writeFile(path, change(await readFile(path, 'utf8')));
  };

  test.each<[string, string, () => Promise<void>]>([
    ['no manifest', 'ERR_BANK_MISSING', () => unlink(join(copy, 'manifest.json'))],
    ['a truncated manifest', 'ERR_BANK_MANIFEST', manifestWith((text) => text.slice(0, 500))],
    ['an unknown level', 'ERR_BANK_MANIFEST', manifestWith((text) => text.replace('"L3/L4"', '"L9/L9"'))],
    [
      'a changed grade',
      'ERR_BANK_FINGERPRINT',
      manifestWith((text) => text.replace('"grades":[1]', '"grades":[2]')),
    ],
    ['another ROI size', 'ERR_BANK_SHAPE', manifestWith((text) => text.replace('"size":16', '"size":24'))],
    ['truncated pixels', 'ERR_SAFETENSORS_TRUNCATED', () => truncate(join(copy, 'bank.safetensors'), 5000)],
  ])('%s', async (_, code, change) => {
    expect(await damage(change)).toMatchObject({ code, message: expect.stringContaining('spinegrad-bank-') });
  });
});

describe('bad files', () => {
  test('are listed in skipped, and the other discs enter the bank', async () => {
    const broken = await tinyLayout(studies);
    const at = (study: string, instance: number) =>
      join(broken, 'train_images', study, SERIES, `${instance}.dcm`);
    await truncate(at('11', 2), 1500);
    await unlink(at('12', 2));
    for (const n of [1, 2, 3]) await unlink(at('13', n));
    await writeFile(at('14', 1), 'not DICOM');
    await writeFile(at('15', 2), tinyDicom({ instanceNumber: 2, x: 0, axial: true }));
    const csv = join(broken, 'train_label_coordinates.csv');
    const outside = (await readFile(csv, 'utf8')).replace(/^(16,.*L1\/L2),.*$/m, '$1,400,6');
    await writeFile(csv, outside);
    const target = await mkdtemp(join(tmpdir(), 'spinegrad-bank-'));
    const manifest = await prepareBank({ data: broken, out: target, roi, sliceSize: 32 });
    expect(manifest.studies).toBe(2);
    expect(manifest.discs).toBe(9);
    const codeOf = (path: string) => manifest.skipped.find((entry) => entry.path.includes(path))?.code;
    expect(codeOf('/11/')).toBe('ERR_DICOM_TRUNCATED');
    expect(codeOf('/12/')).toBe('ERR_INSTANCE_MISSING');
    expect(codeOf('/13/')).toBe('ERR_SERIES_EMPTY');
    expect(codeOf('/14/')).toBe('ERR_DICOM_NOT_DICOM');
    expect(codeOf('/15/')).toBe('ERR_PLANE');
    expect(codeOf('/16/')).toBe('ERR_COORDINATE_OUTSIDE');
    expect(manifest.rois.filter(({ studyId }) => studyId === '14')).toHaveLength(10);
    expect(annotatedCentre(manifest.slices.find(({ studyId }) => studyId === '16')!, 'L1/L2')).toBeNull();
    expect(countReasons(manifest.skipped).length).toBe(6);
    await rm(broken, { recursive: true });
    await rm(target, { recursive: true });
  });

  test('of a copied study are skipped, so that a patient is in one set of the split', async () => {
    const images = (studyUid: string) => [1, 2].map((n) => ({ instanceNumber: n, x: -4 * n, studyUid }));
    const ids = { 11: '1.2.3', 12: '1.2.4', 13: '1.2.3' };
    const folder = await tinyLayout(
      Object.entries(ids).map(([studyId, studyUid]) => ({ studyId, images: images(studyUid) })),
    );
    const target = await mkdtemp(join(tmpdir(), 'spinegrad-bank-'));
    const manifest = await prepareBank({ data: folder, out: target, roi, sliceSize: 32 });
    expect([...new Set(manifest.rois.map(({ studyId }) => studyId))]).toEqual(['11', '12']);
    expect(manifest.skipped).toEqual([
      {
        path: `train_images/13/${SERIES}/2.dcm`,
        code: 'ERR_STUDY_DUPLICATE',
        message:
          'found Study Instance UID (0020,000D) 1.2.3 of study 11, expected it in one study; study 13 skipped',
      },
    ]);
    await rm(folder, { recursive: true });
    await rm(target, { recursive: true });
  });

  test('of a copied file are skipped, also in another form; images of one grey value are no copies', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'spinegrad-copies-'));
    const target = await mkdtemp(join(tmpdir(), 'spinegrad-bank-'));
    const [width, height] = [64, 64];
    const values = Int16Array.from({ length: 3 * 64 * 64 }, (_, i) => (i * 7919) % 4096);
    const grey = (value: (i: number) => number) =>
      encode({
        width,
        height,
        channels: 1,
        data: Uint8Array.from({ length: width * height }, (_, i) => value(i)),
      });
    const volume = encodeNifti({ size: [3, 64, 64] });
    const files = {
      'a.png': grey((i) => i % 251),
      'a-copy.png': grey((i) => i % 251),
      'b.mha': encodeMha({ size: [64, 64, 3], values }),
      'b-packed.mha': encodeMha({ size: [64, 64, 3], values, compressed: true }),
      'c.nii': volume,
      'c-packed.nii.gz': gzipSync(volume),
      'd.png': grey(() => 9),
      'e.png': grey(() => 9),
    };
    const rows = Object.keys(files).map((name) => `${name},${name},L4/L5,32,32,1,0.5,3`);
    await writeFile(
      join(folder, 'discs.csv'),
      ['study,image,level,x,y,slice,spacing,pfirrman_grade', ...rows].join('\n'),
    );
    for (const [name, bytes] of Object.entries(files)) await writeFile(join(folder, name), bytes);
    const { rois, skipped } = await prepareBank({ data: folder, out: target, roi, sliceSize: 32 });
    expect([...new Set(rois.map(({ studyId }) => studyId))]).toEqual([
      ...['a.png', 'b.mha', 'c.nii', 'd.png', 'e.png'],
    ]);
    expect(skipped.map(({ path, code }) => [path, code])).toEqual(
      ['a-copy.png', 'b-packed.mha', 'c-packed.nii.gz'].map((path) => [path, 'ERR_STUDY_DUPLICATE']),
    );
    expect(skipped[0]!.message).toMatch(/^found pixels of SHA-256 [0-9a-f]{64} of study a\.png, expected/);
    await rm(folder, { recursive: true });
    await rm(target, { recursive: true });
  });

  describe('that crash their worker thread', () => {
    /** Prepares a bank while every thread that starts to read a file with `isBad` crashes. */
    const prepareWith = async (isBad: (file: string) => boolean) => {
      const { emit } = Worker.prototype;
      const spy = vi.spyOn(Worker.prototype, 'emit').mockImplementation(function (this: Worker, name, value) {
        const emitted = emit.call(this, name, value);
        const file = name === 'message' ? (value as { label?: string }).label : undefined;
        if (file !== undefined && isBad(file)) emit.call(this, 'error', new Error('out of memory'));
        return emitted;
      });
      const target = await mkdtemp(join(tmpdir(), 'spinegrad-bank-'));
      try {
        return await prepareBank({ data, out: target, roi, sliceSize: 32 });
      } finally {
        spy.mockRestore();
        await rm(target, { recursive: true });
      }
    };

    test('are skipped like unreadable files', async () => {
      const bad = ['12/77/3.dcm', '12/77/1.dcm', '14/77/2.dcm'];
      const manifest = await prepareWith((file) => bad.some((end) => file.endsWith(end)));
      expect(manifest.skipped).toEqual(
        bad.map((path) => ({
          path: expect.stringContaining(path),
          code: 'ERR_DICOM_DECODE',
          message: expect.stringContaining(`${path}: the worker thread crashed (out of memory)`),
        })),
      );
      const count = (study: string) => manifest.rois.filter(({ studyId }) => studyId === study).length;
      expect(studies.map(({ studyId }) => count(studyId))).toEqual([15, 5, 15, 0, 15, 15]);
      const { rois } = await readBank(out).then((bank) => bank.manifest);
      const annotated = rois.filter(({ studyId, sliceOffset }) => studyId === '12' && sliceOffset === 0);
      const found = manifest.rois.filter(({ studyId }) => studyId === '12');
      expect(found).toEqual(annotated.map((record, i) => ({ ...record, row: found[i]!.row })));
    });

    test('cost their study if skipping them does not help', async () => {
      await using pool = new CutPool({ size: 2, timeoutMs: 0 });
      const { studies: found, dir } = await readDataset(data);
      const cut = await pool.cut(found[0]!, {
        dir,
        layout: 'rsna',
        sides: [null],
        tasks: 1,
        planes: {},
        crops: ['Sagittal T2/STIR'],
        everySeries: false,
        roi,
        sliceSize: 32,
      });
      expect(cut).toEqual({
        studyId: '11',
        identities: [],
        discs: [],
        slices: [],
        notices: [],
        skipped: [
          {
            path: 'train_images/11/77',
            code: 'ERR_DICOM_DECODE',
            message: expect.stringMatching(
              /train_images\/11\/77: not finished within 0 ms; .*; study skipped$/,
            ),
          },
        ],
      });
    });
  });

  test('give ERR_BANK_EMPTY with the reasons if no disc remains', async () => {
    const empty = await tinyLayout([{ studyId: '1', images: [] }]);
    const target = join(empty, 'bank');
    await expect(prepareBank({ data: empty, out: target, roi })).rejects.toMatchObject({
      code: 'ERR_BANK_EMPTY',
      message: expect.stringContaining('ERR_SERIES_EMPTY'),
    });
    await rm(empty, { recursive: true });
  });

  test('an axial task has ROIs but no slices for the localizer', async () => {
    const images = [1, 2, 3].map((instanceNumber) => ({ instanceNumber, x: 0, axial: true }));
    const axial = await tinyLayout([{ studyId: '1', images }]);
    const csv = join(axial, 'train_label_coordinates.csv');
    const text = await readFile(csv, 'utf8');
    await writeFile(csv, text.replaceAll('Spinal Canal Stenosis', 'Right Subarticular Stenosis'));
    const target = join(axial, 'bank');
    const task = 'rsna/right_subarticular_stenosis';
    await prepareBank({ data: axial, out: target, roi, sliceSize: 32, tasks: [task] });
    const { manifest, slices } = await readBank(target);
    expect(manifest).toMatchObject({ tasks: [{ id: task }], discs: 5, slices: [] });
    expect(slices).toHaveLength(0);
    await rm(axial, { recursive: true });
  });

  test('a mirrored series has anterior on the left in the bank', async () => {
    const mirrored = await tinyLayout([
      { studyId: '1', images: [1, 2, 3].map((n) => ({ instanceNumber: n, x: 4 * n, mirrored: true })) },
    ]);
    const target = join(mirrored, 'bank');
    await prepareBank({ data: mirrored, out: target, roi, sliceSize: 32 });
    const { manifest, rois } = await readBank(target);
    const { row } = manifest.rois[0]!;
    expect(rois[row * 256 + 15]! - rois[row * 256]!).toBeGreaterThan(0);
    expect(manifest.rois[0]!.toImage[0]).toBeLessThan(0);
    await rm(mirrored, { recursive: true });
  });
});

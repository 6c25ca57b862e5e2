import { createHash } from 'node:crypto';
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readDataset } from '#spinegrad/data/dataset.js';
import { planeOf, slicePosition, toPatient } from '#spinegrad/dicom/geometry.js';
import { readDicom } from '#spinegrad/dicom/read.js';
import { generatePhantom } from '#spinegrad/phantom/generate.js';
import { identityOf } from '#spinegrad/phantom/identity.js';
import { Painter } from '#spinegrad/phantom/painter.js';
import { readStudy } from '#spinegrad/phantom/reader.js';
import { drawStudy } from '#spinegrad/phantom/study.js';
import { toPixel } from '#spinegrad/phantom/toPixel.js';

const root = await mkdtemp(join(tmpdir(), 'spinegrad-phantom-'));
afterAll(() => rm(root, { recursive: true, force: true }));

const settings = { studies: 3, seed: 11, prevalence: 'enriched', slices: 3 } as const;

/** sha256 of every file below a folder, by relative path. */
async function fingerprint(folder: string): Promise<Record<string, string>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const hashes = files.sort().map(async (file) => {
    const hash = createHash('sha256')
      .update(await readFile(file))
      .digest('hex');
    return [file.slice(folder.length), hash] as const;
  });
  return Object.fromEntries(await Promise.all(hashes));
}

describe('generatePhantom', () => {
  const out = join(root, 'two-workers');
  beforeAll(() => generatePhantom({ ...settings, out, workers: 2 }));

  it('writes the same bytes for the same seed and any number of workers', async () => {
    const again = join(root, 'one-worker');
    await generatePhantom({ ...settings, out: again, workers: 1 });
    expect(await fingerprint(again)).toEqual(await fingerprint(out));
    const other = join(root, 'other-seed');
    await generatePhantom({ ...settings, out: other, studies: 1, seed: 12 });
    expect(await readdir(join(other, 'train_images'))).not.toEqual(await readdir(join(out, 'train_images')));
  });

  it('marks the folder as synthetic, and readDataset reads it', async () => {
    expect(JSON.parse(await readFile(join(out, 'phantom.json'), 'utf8'))).toEqual({
      synthetic: true,
      version: 1,
      seed: 11,
      studies: 3,
      prevalence: 'enriched',
      slices: 3,
      series: ['Sagittal T2/STIR'],
    });
    const firstLine = async (name: string) => (await readFile(join(out, name), 'utf8')).split('\n')[0]!;
    expect(await firstLine('train_series_descriptions.csv')).toBe('study_id,series_id,series_description');
    expect(await firstLine('train_label_coordinates.csv')).toBe(
      'study_id,series_id,instance_number,condition,level,x,y',
    );
    const header = (await firstLine('train.csv')).split(',');
    expect(header[0]).toBe('study_id');
    expect(header).toHaveLength(26);
    expect(header[1]).toBe('spinal_canal_stenosis_l1_l2');
    expect(header[25]).toBe('right_subarticular_stenosis_l5_s1');
    const data = await readDataset(out);
    expect(data.synthetic).toBe(true);
    expect(data.skipped).toEqual([]);
    expect(data.studies).toHaveLength(3);
    for (const { series } of data.studies)
      expect(series[0]!.annotation).toMatchObject({ discs: { length: 5 } });
  });

  it('writes sagittal MR images whose geometry maps pixels to the drawn anatomy', async () => {
    for (let index = 0; index < settings.studies; index++) {
      const study = drawStudy(settings.seed, index, settings.prevalence, settings.slices);
      const { studyId, seriesId } = identityOf(settings.seed, index);
      for (const reading of readStudy(study)) {
        const path = join(out, 'train_images', studyId, seriesId, `${reading.slice + 1}.dcm`);
        const image = await readDicom(path);
        const { geometry, pixels } = image.frames[0]!;
        expect(planeOf(geometry!)).toBe('sagittal');
        expect([image.modality, image.instanceNumber]).toEqual(['MR', reading.slice + 1]);
        expect(pixels).toHaveLength(image.rows * image.columns);
        const [y, z] = reading.point;
        const pixel = toPixel(study, y, z);
        expect(pixel[0]).toBeGreaterThan(0);
        expect(pixel[0]).toBeLessThan(image.columns);
        expect(pixel[1]).toBeGreaterThan(0);
        expect(pixel[1]).toBeLessThan(image.rows);
        const [px, py, pz] = toPatient(geometry!, image.pixelSpacing!, ...pixel);
        const tilt = study.acquisition.obliquity;
        expect(px).toBeCloseTo(study.acquisition.slicePositions[reading.slice]! + y * Math.sin(tilt), 3);
        expect(py).toBeCloseTo(y * Math.cos(tilt), 3);
        expect(pz).toBeCloseTo(z, 3);
      }
    }
  });

  it('numbers adjacent slices consecutively, at the spacing of the header', async () => {
    for (let index = 0; index < settings.studies; index++) {
      const { studyId, seriesId } = identityOf(settings.seed, index);
      const folder = join(out, 'train_images', studyId, seriesId);
      expect((await readdir(folder)).sort()).toEqual(['1.dcm', '2.dcm', '3.dcm']);
      const images = await Promise.all([1, 2, 3].map((number) => readDicom(join(folder, `${number}.dcm`))));
      const { acquisition } = drawStudy(settings.seed, index, settings.prevalence, settings.slices);
      const positions = images.map(({ frames }) => slicePosition(frames[0]!.geometry!));
      for (const i of [1, 2]) {
        expect(Math.abs(positions[i]! - positions[i - 1]!)).toBeCloseTo(acquisition.sliceSpacing, 4);
      }
      expect(images[0]!.sliceSpacing).toBeCloseTo(acquisition.sliceSpacing, 6);
      expect(images[0]!.pixelSpacing).toEqual([acquisition.spacing, acquisition.spacing]);
    }
  });

  it('throws ERR_OUT_NOT_EMPTY if the folder is not empty', async () => {
    await expect(generatePhantom({ ...settings, out })).rejects.toMatchObject({
      code: 'ERR_OUT_NOT_EMPTY',
      message: expect.stringContaining(out),
    });
  });

  it('throws ERR_WRITE if the path is below a file', async () => {
    const file = join(root, 'a-file');
    await writeFile(file, '');
    await expect(generatePhantom({ ...settings, out: join(file, 'below') })).rejects.toMatchObject({
      code: 'ERR_WRITE',
    });
  });

  it.skipIf(process.getuid?.() === 0)('throws ERR_WRITE if the folder is read-only', async () => {
    const locked = await mkdtemp(join(root, 'locked-'));
    await chmod(locked, 0o500);
    await expect(generatePhantom({ ...settings, out: locked })).rejects.toMatchObject({ code: 'ERR_WRITE' });
  });

  it('throws ERR_ARGUMENT for invalid options', async () => {
    const empty = join(root, 'none');
    for (const invalid of [
      { studies: 0 },
      { slices: 1.5 },
      { seed: -1 },
      { workers: 0 },
      { prevalence: 'all' as never },
      { series: ['Sagittal PD' as never] },
    ]) {
      await expect(generatePhantom({ ...settings, out: empty, ...invalid })).rejects.toMatchObject({
        code: 'ERR_ARGUMENT',
      });
    }
  });

  it('stops on abort and writes no CSV file', async () => {
    const stopped = join(root, 'stopped');
    const abort = new AbortController();
    const run = generatePhantom({
      ...settings,
      out: stopped,
      studies: 30,
      signal: abort.signal,
      onProgress: () => abort.abort(),
    });
    await expect(run).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    expect((await readdir(stopped)).filter((name) => name.endsWith('.csv'))).toEqual([]);
  });
});

describe('the annotated point', () => {
  it('is in the canal, at the height of its disc', () => {
    for (let index = 0; index < 40; index++) {
      const study = drawStudy(3, index, 'rsna', 7);
      const { wall, levelPosition } = study.spine;
      for (const [level, { point }] of readStudy(study).entries()) {
        wall.locate(point[0], point[1], levelPosition[level]!);
        expect(Math.abs(wall.s - levelPosition[level]!)).toBeLessThan(3);
        const [anterior, posterior] = study.canal.sac(wall.s);
        expect(wall.t).toBeGreaterThan(anterior - 1.5);
        expect(wall.t).toBeLessThan(posterior + 1.5);
      }
    }
  });

  it('has less CSF around it in the pixels of severe levels than in those of normal levels', () => {
    const brightness: number[][] = [[], [], []];
    for (let index = 0; index < 24; index++) {
      const study = drawStudy(5, index, 'enriched', 7);
      const { acquisition, spine, canal } = study;
      const painter = new Painter(study);
      const pixels = new Map<number, Uint16Array>();
      for (const [level, reading] of readStudy(study).entries()) {
        if (!pixels.has(reading.slice)) pixels.set(reading.slice, painter.pixels(reading.slice));
        const image = pixels.get(reading.slice)!;
        const sum = (s: number) => {
          const [anterior] = canal.sac(s);
          let total = 0;
          for (let t = anterior - 1; t < 17; t += 0.5) {
            const [x, y] = toPixel(study, ...spine.wall.point(s, t)).map(Math.round) as [number, number];
            total += image[y * acquisition.columns + x]! / acquisition.gain;
          }
          return total;
        };
        const s = spine.levelPosition[level]!;
        brightness[reading.grade]!.push(sum(s) / Math.max(sum(s - 14), sum(s + 14)));
      }
    }
    const [normal, moderate, severe] = brightness.map((values) => {
      expect(values.length).toBeGreaterThan(8);
      return values.reduce((a, b) => a + b) / values.length;
    });
    expect(severe).toBeLessThan(0.8 * normal!);
    expect(moderate).toBeLessThan(normal!);
    expect(severe).toBeLessThan(moderate!);
  });
});

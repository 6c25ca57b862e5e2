/** The sagittal T1 and axial T2 series of the phantom: geometry, grades, and what they share with the T2 series. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readDataset } from '#spinegrad/data/dataset.js';
import { planeOf, toPatient } from '#spinegrad/dicom/geometry.js';
import { readDicom } from '#spinegrad/dicom/read.js';
import { AxialPainter, axialT2 } from '#spinegrad/phantom/axial.js';
import { generatePhantom } from '#spinegrad/phantom/generate.js';
import { identityOf } from '#spinegrad/phantom/identity.js';
import { readForamina, readRecesses } from '#spinegrad/phantom/lateralReader.js';
import { Painter } from '#spinegrad/phantom/painter.js';
import { readStudy } from '#spinegrad/phantom/reader.js';
import { drawStudy, sagittalT1 } from '#spinegrad/phantom/study.js';
import { toAxialPixel, toPixel } from '#spinegrad/phantom/toPixel.js';
import { RSNA_TASKS } from '#spinegrad/tasks/rsna.js';
import { cohensKappa, LATERAL_FREQUENCIES, lateralReadings } from './statistics.js';

const root = await mkdtemp(join(tmpdir(), 'spinegrad-series-'));
afterAll(() => rm(root, { recursive: true, force: true }));

const settings = { studies: 2, seed: 11, prevalence: 'enriched', slices: 3 } as const;

describe('a phantom with all series', () => {
  const [single, out] = [join(root, 'single'), join(root, 'all')];
  beforeAll(async () => {
    await generatePhantom({ ...settings, out: single });
    await generatePhantom({ ...settings, out, series: ['Axial T2', 'Sagittal T1'] });
  });

  it('has grades and points of all five conditions, and readDataset reads each', async () => {
    for (const task of RSNA_TASKS) {
      const data = await readDataset(out, { tasks: [task] });
      expect(data.skipped).toEqual([]);
      for (const study of data.studies) {
        const annotationOf = (name: string) => study.series.find(({ series }) => series === name)?.annotation;
        const discs = task.levels.map((level) => ({ level, side: task.side, grades: [expect.any(Number)] }));
        expect(annotationOf(task.series[0]!.name)).toMatchObject({ discs });
        if (task.side === null) continue;
        const canal = task.levels.map((level) => ({ level, side: null, grades: [null] }));
        expect(annotationOf('Sagittal T2/STIR')).toMatchObject({ discs: canal });
        expect(study.series).toHaveLength(2);
      }
    }
  });

  it('has the canal grades, points and identities of the phantom with one series', async () => {
    const lines = async (folder: string, name: string) =>
      (await readFile(join(folder, name), 'utf8')).trim().split('\n');
    for (const name of ['train_label_coordinates.csv', 'train_series_descriptions.csv']) {
      const all = await lines(out, name);
      for (const line of await lines(single, name)) expect(all).toContain(line);
    }
    const canal = (rows: string[]) => rows.map((line) => line.split(',').slice(0, 6));
    expect(canal(await lines(out, 'train.csv'))).toEqual(canal(await lines(single, 'train.csv')));
  });

  it('has slices whose geometry maps the annotated pixels to the drawn anatomy', async () => {
    for (let index = 0; index < settings.studies; index++) {
      const study = drawStudy(settings.seed, index, settings.prevalence, settings.slices, true);
      const [t1, axial] = [sagittalT1(study), axialT2(study)];
      const t1Pixels = readForamina(t1).map((reading) => ({
        reading,
        series: t1.series,
        pixel: toPixel(t1, ...reading.point),
        plane: 'sagittal',
      }));
      const axialPixels = readRecesses(axial).map((reading) => {
        const [y, z] = reading.point;
        const pixel = toAxialPixel(axial, reading.slice, reading.x, { y, z });
        return { reading, series: axial.series, pixel, plane: 'axial' };
      });
      for (const { reading, series, pixel, plane } of [...t1Pixels, ...axialPixels]) {
        const { studyId, seriesId } = identityOf(settings.seed, index, series);
        const path = join(out, 'train_images', studyId, seriesId, `${reading.slice + 1}.dcm`);
        const image = await readDicom(path);
        const { geometry } = image.frames[0]!;
        expect(planeOf(geometry!)).toBe(plane);
        expect(image.seriesDescription).toBe(series);
        const found = toPatient(geometry!, image.pixelSpacing!, ...pixel);
        const thickness = (plane === 'axial' ? axial : t1).acquisition.sliceThickness;
        const [y, z] = reading.point;
        const distance = Math.hypot(found[0] - reading.x, found[1] - y, found[2] - z);
        // The annotated point is in the slice, so the distance to its plane is at most about half the spacing.
        expect(distance).toBeLessThan(plane === 'axial' ? thickness : 0.5);
        expect(Math.sign(found[0] - study.spine.midline(z))).toBe(reading.side === 'left' ? 1 : -1);
        expect(pixel[0]).toBeGreaterThan(0);
        expect(pixel[0]).toBeLessThan(image.columns);
        expect(pixel[1]).toBeGreaterThan(0);
        expect(pixel[1]).toBeLessThan(image.rows);
      }
    }
  });

  it('has T1 slices of both foramina, and three axial slices per disc', async () => {
    const { studyId } = identityOf(settings.seed, 0);
    const count = async (series: 'Sagittal T1' | 'Axial T2') => {
      const { seriesId } = identityOf(settings.seed, 0, series);
      return (await readdir(join(out, 'train_images', studyId, seriesId))).length;
    };
    expect(await count('Sagittal T1')).toBeGreaterThan(7);
    expect(await count('Axial T2')).toBe(15);
  });
});

describe('the additional series', () => {
  it('show the same anatomy: at the pixels where CSF is brighter than bone in T2, it is darker in T1', () => {
    const study = drawStudy(3, 1, 'rsna', 3, true);
    const t1 = sagittalT1(study);
    const { slice } = readStudy(study)[3]!;
    const same = t1.acquisition.slicePositions.indexOf(study.acquisition.slicePositions[slice]!);
    expect(same).toBeGreaterThanOrEqual(0);
    // Below the conus, at the middle of the body of L5: the thecal sac, and the body.
    const { wall, levelPosition } = study.spine;
    const s = (levelPosition[3]! + levelPosition[4]!) / 2;
    const points = (ts: readonly number[]) => ts.map((t) => toPixel(study, ...wall.point(s, t)));
    const ratio = (pixels: Uint16Array) =>
      mean(points([3, 4, 5]), pixels, study.acquisition.columns) /
      mean(points([-20, -18, -16, -14]), pixels, study.acquisition.columns);
    expect(ratio(new Painter(study).pixels(slice))).toBeGreaterThan(1.2);
    expect(ratio(new Painter(t1).pixels(same))).toBeLessThan(0.7);
  });

  it('have less fat at the annotated point of severe levels than at that of normal levels', () => {
    const brightness = { foramen: [[], [], []] as number[][], recess: [[], [], []] as number[][] };
    for (let index = 0; index < 5; index++) {
      const study = drawStudy(6, index, 'enriched', 3, true);
      const [t1, axial] = [sagittalT1(study), axialT2(study)];
      const sagittal = new Painter(t1);
      const t1Pixels = new Map<number, Uint16Array>();
      for (const { slice, level, side, grade } of readForamina(t1)) {
        if (!t1Pixels.has(slice)) t1Pixels.set(slice, sagittal.pixels(slice));
        const s = study.spine.levelPosition[level]! - 8;
        const points = [2, 4, 6, 8, 10, 12].map((t) => toPixel(t1, ...study.spine.wall.point(s, t)));
        const { columns, gain } = t1.acquisition;
        brightness.foramen[grade]!.push(mean(points, t1Pixels.get(slice)!, columns) / gain);
        expect(side).toBeDefined();
      }
      const painter = new AxialPainter(axial);
      const axialPixels = new Map<number, Uint16Array>();
      for (const { slice, level, side, grade } of readRecesses(axial)) {
        if (!axialPixels.has(slice)) axialPixels.set(slice, painter.pixels(slice));
        const { spine } = study;
        const x = (u: number, z: number) => spine.midline(z) + (side === 'left' ? u : -u);
        const points = [6.5, 10.5].flatMap((u) =>
          [1, 2, 3, 4, 5].map((t) => {
            const [y, z] = spine.wall.point(spine.levelPosition[level]!, t);
            return toAxialPixel(axial, slice, x(u, z), { y, z });
          }),
        );
        const { rows, gain } = axial.acquisition;
        brightness.recess[grade]!.push(mean(points, axialPixels.get(slice)!, rows) / gain);
      }
    }
    for (const grades of Object.values(brightness)) {
      const [normal, moderate, severe] = grades.map((values) => {
        expect(values.length).toBeGreaterThan(3);
        return values.reduce((a, b) => a + b) / values.length;
      }) as [number, number, number];
      expect(severe).toBeLessThan(0.8 * normal);
      expect(moderate).toBeLessThan(normal);
    }
  });

  it.each(['foramen', 'recess'] as const)(
    'grade the %s with its frequencies and the reader agreement',
    (zone) => {
      const studies = 120;
      for (const prevalence of ['rsna', 'enriched'] as const) {
        const readings = lateralReadings(zone, 23, studies, prevalence);
        for (const [level, targets] of LATERAL_FREQUENCIES[zone][prevalence].entries()) {
          const grades = readings.filter((each) => each.level === level).map((each) => each.reportedGrade);
          for (const [i, target] of targets.entries()) {
            const found = grades.filter((grade) => grade > i).length / grades.length;
            // The two sides of a level are correlated, so the bound is that of one reading per study.
            const bound = 4 * Math.sqrt((target * (1 - target)) / studies) + 0.01;
            expect(Math.abs(found - target), `${prevalence} level ${level}`).toBeLessThan(bound);
          }
        }
        const kappa = cohensKappa(
          readings.map((each) => each.reportedGrade),
          readings.map((each) => each.grade),
        );
        expect(kappa).toBeGreaterThan(0.55);
        expect(kappa).toBeLessThan(0.85);
      }
    },
  );
});

function mean(points: readonly (readonly [number, number])[], pixels: Uint16Array, columns: number): number {
  const values = points.map(([x, y]) => pixels[Math.round(y) * columns + Math.round(x)]!);
  return values.reduce((a, b) => a + b) / values.length;
}

/** Cuts studies of several series, and series whose files are wrong about spacing or orientation. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encode } from 'fast-png';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LEVELS, type Point } from '#spinegrad/anatomy.js';
import { type CutStudy, cutStudy } from '#spinegrad/data/cut.js';
import type { CutSpec } from '#spinegrad/data/cutSpec.js';
import { readRecord } from '#spinegrad/data/images.js';
import type { AnnotatedDisc, AnnotatedSeries } from '#spinegrad/data/layouts/layout.js';
import { letterboxSlice } from '#spinegrad/data/roi.js';
import { checkSpacing, PITCH_MM } from '#spinegrad/data/spacing.js';
import type { SliceRecord } from '#spinegrad/data/types.js';
import { COLUMNS, centreOf, ROWS, tinyDicom } from './layout.js';
import { encodeMha } from './metaImage.js';

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'spinegrad-cut-'));
});
afterAll(() => rm(dir, { recursive: true }));

const spec = (change: Partial<CutSpec> = {}): CutSpec => ({
  dir,
  layout: 'table',
  sides: [null],
  tasks: 1,
  planes: { T1: 'sagittal', T2: 'sagittal', 'Axial T2': 'axial' },
  crops: ['T2'],
  everySeries: false,
  roi: { size: 8, mode: 'mm', extentMm: 32, neighbours: 1 },
  sliceSize: 32,
  ...change,
});

const disc = (index: number, change: Partial<AnnotatedDisc> = {}): AnnotatedDisc => ({
  level: LEVELS[index]!,
  side: null,
  grades: [index % 2],
  slice: 2,
  centre: centreOf(index),
  box: null,
  ...change,
});
const fiveDiscs = (change: Partial<AnnotatedDisc> = {}) => LEVELS.map((_, index) => disc(index, change));

const annotated = (
  series: string,
  discs: AnnotatedDisc[],
  change: Partial<AnnotatedSeries> = {},
): AnnotatedSeries => ({
  seriesId: series,
  series,
  images: series,
  pixelSpacing: null,
  annotation: { kind: 'discs', discs, complete: true, found: false },
  ...change,
});

async function writeSeries(name: string, images: Parameters<typeof tinyDicom>[0][]): Promise<void> {
  await mkdir(join(dir, name), { recursive: true });
  for (const image of images)
    await writeFile(join(dir, name, `${image.instanceNumber}.dcm`), tinyDicom(image));
}
const cut = (series: AnnotatedSeries[], change?: Partial<CutSpec>) =>
  cutStudy({ studyId: 'p', series }, spec(change), () => {});

describe('a study of several series', () => {
  beforeAll(async () => {
    await writeSeries(
      'T2',
      [1, 2, 3].map((n) => ({ instanceNumber: n, x: 4 * n })),
    );
    await writeSeries(
      'T1',
      [1, 2, 3, 4].map((n) => ({ instanceNumber: n, x: 3 * n + 1 })),
    );
    // Axial slices whose planes are at the heights of the discs: z = -4 (6 + 9 level).
    await writeSeries(
      'Axial T2',
      [0, 1, 2, 3].map((n) => ({ instanceNumber: n + 1, x: -70, axial: true, z: -4 * (6 + 9 * n) - 1 })),
    );
  });

  test('has ROIs of the named series only, and a slice of each sagittal series', async () => {
    const { discs, slices, skipped } = await cut([annotated('T2', fiveDiscs()), annotated('T1', [disc(3)])]);
    expect(skipped).toEqual([]);
    expect(discs.map((rois) => rois.map(({ series, sliceOffset }) => [series, sliceOffset]))).toEqual(
      LEVELS.map(() => [
        ['T2', 0],
        ['T2', -1],
        ['T2', 1],
      ]),
    );
    expect(slices.map(({ series, discs: found, complete }) => [series, found.length, complete])).toEqual([
      ['T2', 5, true],
      ['T1', 1, true],
    ]);
  });

  test('a disc is cut from a series on which it is not marked, at its patient coordinates', async () => {
    const series = [
      annotated('T2', fiveDiscs()),
      annotated('T1', [disc(3, { centre: [11, 30], grades: [null] })]),
    ];
    const { discs, skipped } = await cut(series, { crops: ['T2', 'T1'], everySeries: true });
    expect(skipped).toEqual([]);
    const first = discs[0]!.filter(({ series }) => series === 'T1');
    // T2 slice 2 is at 8 mm; T1 slices are at 4, 7, 10 and 13 mm.
    expect(first.map(({ instanceNumber, sliceOffset }) => [instanceNumber, sliceOffset])).toEqual([
      [2, 0],
      [1, -1],
      [3, 1],
    ]);
    expect(first[0]!.centrePx.map((value) => Math.round(value * 1e6) / 1e6)).toEqual(centreOf(0));
    const own = discs[3]!.find(({ series, sliceOffset }) => series === 'T1' && sliceOffset === 0)!;
    expect(own.centrePx).toEqual([11, 30]);
    expect(new Set(discs[3]!.map(({ grades }) => grades[0]))).toEqual(new Set([1]));
  });

  test('an axial series is cut on the slice nearest to each disc; a disc that it does not show is reported', async () => {
    const series = [annotated('T2', fiveDiscs()), annotated('Axial T2', [])];
    const { discs, slices, skipped } = await cut(series, { crops: ['Axial T2'], everySeries: true });
    expect(slices.map(({ series: kind }) => kind)).toEqual(['T2']);
    expect(discs.map((rois) => [rois[0]!.level, rois[0]!.instanceNumber])).toEqual([
      ['L1/L2', 1],
      ['L2/L3', 2],
      ['L3/L4', 3],
      ['L4/L5', 4],
    ]);
    // Axial pixels are 4 mm: column (8 + 70) / 4, row 4 * 20 / 4.
    expect(discs[0]![0]!.centrePx).toEqual([expect.closeTo(19.5, 6), expect.closeTo(20, 6)]);
    expect(skipped).toMatchObject([
      { code: 'ERR_DISC_NOT_SHOWN', path: 'Axial T2', message: expect.stringContaining('L5/S1 skipped') },
    ]);
  });
});

describe('a series with a mask', () => {
  const [COUNT, WIDTH, HEIGHT] = [3, 40, 60];
  /** A volume of sagittal slices, 3 mm per pixel; `value` of (slice, column from anterior, row from superior). */
  const volume = (value: (slice: number, column: number, row: number) => number, width = WIDTH) =>
    encodeMha({
      size: [width, HEIGHT, COUNT],
      values: Int16Array.from({ length: COUNT * width * HEIGHT }, (_, i) =>
        value(Math.floor(i / (width * HEIGHT)), i % width, Math.floor(i / width) % HEIGHT),
      ),
      fields: { ElementSpacing: '3 3 4' },
    });
  /** Discs of 8 x 2 pixels at the rows 10, 22, 34 and 46; the canal is widest on the middle slice. */
  const label = (slice: number, column: number, row: number) => {
    const disc = [46, 34, 22, 10].findIndex((top) => row === top || row === top + 1);
    if (column >= 10 && column < 18 && disc >= 0) return 201 + disc;
    return column >= 24 && column < 26 + (slice === 1 ? 3 : 0) ? 100 : 0;
  };
  const masked = (grades: Record<string, (number | null)[]>): AnnotatedSeries =>
    annotated('T2', [], { images: 'T2.mha', annotation: { kind: 'mask', file: 'mask.mha', grades } });

  beforeAll(() =>
    writeFile(
      join(dir, 'T2.mha'),
      volume((_, column, row) => 7 * column + 3 * row),
    ),
  );

  test('has the discs and boxes of the canal slice with their grades; a grade without a disc, and a disc without a grade, are reported', async () => {
    await writeFile(join(dir, 'mask.mha'), volume(label));
    const { discs, slices, skipped, notices } = await cut([
      masked({ 'L5/S1': [1], 'L3/L4': [0], 'L1/L2': [1], 'T12/L1': [null] }),
    ]);
    expect(notices).toEqual([]);
    expect(discs.map(([roi]) => [roi!.level, roi!.grades[0], roi!.instanceNumber])).toEqual([
      ['L2/L3', null, 2],
      ['L3/L4', 0, 2],
      ['L4/L5', null, 2],
      ['L5/S1', 1, 2],
    ]);
    expect(discs[0]!.map(({ sliceOffset }) => sliceOffset)).toEqual([0, -1, 1]);
    expect(slices[0]).toMatchObject({ complete: true, spacingFrom: 'file', instanceNumber: 2 });
    const [left, top, right, bottom] = slices[0]!.discs[0]!.box!;
    expect([right - left, bottom - top].map((side) => side / (32 / HEIGHT))).toEqual([
      expect.closeTo(7, 6),
      expect.closeTo(1, 6),
    ]);
    expect(skipped).toMatchObject([
      { code: 'ERR_DISC_MISSING', path: 'mask.mha', message: expect.stringContaining('L1/L2 has a grade') },
      { code: 'ERR_LABEL_MISSING', path: 'mask.mha', message: expect.stringContaining('L2/L3') },
      { code: 'ERR_LABEL_MISSING', path: 'mask.mha', message: expect.stringContaining('L4/L5') },
    ]);
  });

  test('of another size is skipped with both sizes', async () => {
    await writeFile(join(dir, 'mask.mha'), volume(label, WIDTH - 1));
    const { discs, slices, skipped } = await cut([masked({})]);
    expect([discs, slices]).toEqual([[], []]);
    expect(skipped).toMatchObject([
      {
        code: 'ERR_MASK',
        message: expect.stringMatching(/found a mask of 39 x 60 .*, expected 40 x 60 pixels in 3/),
      },
    ]);
  });
});

describe('a study with marks on both sides', () => {
  const sided = (side: 'left' | 'right') => fiveDiscs({ side, slice: side === 'left' ? 1 : 3 });
  const images = 'sides';
  const midline = annotated('T2', fiveDiscs({ grades: [null] }), { images });
  const foramina = annotated('T1', [...sided('left'), ...sided('right')], { images });
  const recesses = annotated('Axial T2', sided('left'), { images: 'axial' });

  beforeAll(async () => {
    const slices = [1, 2, 3];
    await writeSeries(
      images,
      slices.map((n) => ({ instanceNumber: n, x: 4 * n })),
    );
    await writeSeries(
      'axial',
      slices.map((n) => ({ instanceNumber: n, x: -70, axial: true, z: -36 * n })),
    );
  });

  test('has a slice of the midline only for the localizer, and no crop of a side that is not graded', async () => {
    const change = { sides: ['left', 'right'] as const, crops: ['T1'] };
    const { discs, slices } = await cut([foramina, midline], change);
    expect(discs.map(([roi]) => [roi!.series, roi!.side])).toEqual([
      ...LEVELS.map(() => ['T1', 'left']),
      ...LEVELS.map(() => ['T1', 'right']),
    ]);
    expect(slices.map(({ series, discs: shown }) => [series, shown.length])).toEqual([['T2', 5]]);
    const every = await cut([foramina, midline], { ...change, crops: ['T1', 'T2'], everySeries: true });
    expect(every.discs).toHaveLength(10);
  });

  test('has a slice of a side for the localizer without marks on the midline', async () => {
    const { slices } = await cut([foramina], { sides: ['left', 'right'], crops: ['T1'] });
    expect(slices.map(({ series, discs: shown }) => [series, shown.length])).toEqual([['T1', 5]]);
  });

  test('has a disc per kind of series and side', async () => {
    const { discs } = await cut([foramina, recesses], {
      sides: ['left', 'right'],
      crops: ['T1', 'Axial T2'],
    });
    expect(discs.filter(([roi]) => roi!.level === 'L3/L4').map(([roi]) => [roi!.series, roi!.side])).toEqual([
      ['T1', 'left'],
      ['T1', 'right'],
      ['Axial T2', 'left'],
    ]);
  });
});

describe('the pixel spacing', () => {
  const discs = fiveDiscs();

  test('is kept if neighbouring discs are 26 to 46 mm apart', () => {
    expect(checkSpacing(discs, [3, 3], PITCH_MM.table)).toEqual({ pixelSpacing: [3, 3], reason: null });
    expect(checkSpacing(discs.slice(0, 2), [9, 9], PITCH_MM.table)).toEqual({
      pixelSpacing: [9, 9],
      reason: null,
    });
    expect(checkSpacing(discs.slice(0, 1), null, PITCH_MM.table)).toBeNull();
  });

  test.each<[[number, number] | null, RegExp]>([
    [[6, 6], /with the pixel spacing 6, 6 mm the median distance of neighbouring discs is 54\.0 mm/],
    [[2, 2], /is 18\.0 mm, expected 26 to 46/],
    [null, /^the pixel spacing is missing; scaled so that/],
  ])('%j is replaced by that of a median distance of 35 mm', (given, reason) => {
    const checked = checkSpacing(discs, given, PITCH_MM.table)!;
    expect(checked.reason).toMatch(reason);
    const pitch = Math.hypot(9, 0.25);
    expect(checked.pixelSpacing).toEqual([expect.closeTo(35 / pitch, 6), expect.closeTo(35 / pitch, 6)]);
  });

  test.each<[number, boolean]>([
    [2.5, true],
    [2, false],
  ])('%d of points of the canal or a foramen: is kept: %s', (mm, isKept) => {
    // 9 pixels are 22.5 mm in the first case: implausible for disc centres, not for the canal of a lordotic spine.
    const given: [number, number] = [mm, mm];
    expect(checkSpacing(discs, given, PITCH_MM.rsna)!.reason === null).toBe(isKept);
    expect(checkSpacing(discs, given, PITCH_MM.spider)!.reason).not.toBeNull();
  });

  test('of a file or table that is replaced is reported, and nothing is left out', async () => {
    await writeSeries('wrong', [{ instanceNumber: 2, x: 0, spacing: [8, 8] }]);
    const wrong = annotated('T2', fiveDiscs(), { images: 'wrong' });
    const { discs: cutDiscs, slices, notices, skipped } = await cut([wrong]);
    expect(cutDiscs).toHaveLength(5);
    expect(skipped).toEqual([]);
    expect(notices).toMatchObject([{ code: 'ERR_SPACING_REPLACED', path: 'wrong' }]);
    expect(slices[0]).toMatchObject({
      spacingFrom: 'pitch',
      pixelSpacing: [expect.closeTo(3.887, 3), expect.anything()],
    });
    const table = await cut([{ ...wrong, pixelSpacing: [4, 4] }]);
    expect(table.notices).toEqual([]);
    expect(table.slices[0]).toMatchObject({ spacingFrom: 'table', pixelSpacing: [4, 4] });
  });
});

describe('an image without orientation', () => {
  /** Brighter towards the bottom of the anatomy; stored upside down if `flipped`. */
  async function writeImage(name: string, flipped: boolean): Promise<void> {
    const data = Uint8Array.from({ length: ROWS * COLUMNS }, (_, i) => {
      const y = Math.floor(i / COLUMNS);
      return 5 * (flipped ? ROWS - 1 - y : y);
    });
    await writeFile(join(dir, name), encode({ width: COLUMNS, height: ROWS, data, channels: 1, depth: 8 }));
  }
  const marked = (flipped: boolean) =>
    fiveDiscs({ slice: 1 }).map((item): AnnotatedDisc => {
      const [x, y] = item.centre;
      const centre: Point = [x, flipped ? ROWS - 1 - y : y];
      return { ...item, centre };
    });

  test('that is upside down by its levels is reflected; both are reported', async () => {
    const found: CutStudy[] = [];
    for (const flipped of [false, true]) {
      await writeImage(`${flipped}.png`, flipped);
      found.push(await cut([annotated('T2', marked(flipped), { images: `${flipped}.png` })]));
    }
    const [upright, upsideDown] = found as [CutStudy, CutStudy];
    expect(upsideDown.discs.map(([roi]) => roi!.pixels)).toEqual(upright.discs.map(([roi]) => roi!.pixels));
    expect(upsideDown.slices[0]!.pixels).toEqual(upright.slices[0]!.pixels);
    expect(upsideDown.slices[0]!.discs).toEqual(
      upright.slices[0]!.discs.map((item) => ({
        ...item,
        centre: item.centre.map((n) => expect.closeTo(n, 6)),
      })),
    );
    expect(upsideDown.discs[0]![0]!.centreMm).toBeNull();
    const codes = ({ notices }: CutStudy) => notices.map(({ code }) => code);
    expect(codes(upright)).toEqual(['ERR_SPACING_REPLACED', 'ERR_ANTERIOR_ASSUMED']);
    expect(codes(upsideDown)).toEqual(['ERR_SPACING_REPLACED', 'ERR_UPSIDE_DOWN', 'ERR_ANTERIOR_ASSUMED']);
    const { pixels, ...record } = upsideDown.slices[0]!;
    const again = await readRecord({ dataDir: dir }, record as unknown as SliceRecord);
    expect(letterboxSlice(again, 32).pixels).toEqual(pixels);
  });

  test('that is mirrored by its lordosis is reflected, and anterior is not assumed', async () => {
    const found: CutStudy[] = [];
    for (const mirrored of [false, true]) {
      const data = Uint8Array.from({ length: ROWS * COLUMNS }, (_, i) => {
        const x = i % COLUMNS;
        return 5 * (mirrored ? COLUMNS - 1 - x : x);
      });
      const file = `mirrored-${mirrored}.png`;
      await writeFile(join(dir, file), encode({ width: COLUMNS, height: ROWS, data, channels: 1, depth: 8 }));
      const discs = fiveDiscs({ slice: 1 }).map((item, index): AnnotatedDisc => {
        const x = index === 4 ? 24 : 20;
        return { ...item, centre: [mirrored ? COLUMNS - 1 - x : x, item.centre[1]] };
      });
      found.push(await cut([annotated('T2', discs, { images: file })]));
    }
    const [plain, reflected] = found as [CutStudy, CutStudy];
    expect(reflected.discs.map(([roi]) => roi!.pixels)).toEqual(plain.discs.map(([roi]) => roi!.pixels));
    expect(reflected.slices[0]!.pixels).toEqual(plain.slices[0]!.pixels);
    expect(plain.notices.map(({ code }) => code)).toEqual(['ERR_SPACING_REPLACED']);
    expect(reflected.notices.map(({ code }) => code)).toEqual(['ERR_SPACING_REPLACED', 'ERR_MIRRORED']);
    const { pixels, ...record } = reflected.slices[0]!;
    const again = await readRecord({ dataDir: dir }, record as unknown as SliceRecord);
    expect(letterboxSlice(again, 32).pixels).toEqual(pixels);
  });

  test('whose header contradicts its lordosis is reported and not reflected', async () => {
    await writeSeries('doubtful', [{ instanceNumber: 2, x: 0 }]);
    const turned = (x: number) =>
      fiveDiscs().map((item, i) => (i === 4 ? { ...item, centre: [x, item.centre[1]] as const } : item));
    const [agrees, contradicts] = await Promise.all(
      [26, 16].map((x) => cut([annotated('T2', turned(x), { images: 'doubtful' })])),
    );
    expect(agrees!.notices).toEqual([]);
    expect(contradicts!.notices).toMatchObject([{ code: 'ERR_ANTERIOR_DOUBTFUL', path: 'doubtful' }]);
    expect(contradicts!.slices[0]!.pixels).toEqual(agrees!.slices[0]!.pixels);
  });
});

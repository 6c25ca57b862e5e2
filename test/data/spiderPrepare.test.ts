/** The SPIDER layout from .mha files to the bank: synthetic volumes, and volumes of real slices. */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decode } from 'fast-png';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DISC_LEVELS, LEVELS, type Level } from '#spinegrad/anatomy.js';
import { prepareBank } from '#spinegrad/data/bank.js';
import { discsFromRegions } from '#spinegrad/data/mask.js';
import { readPng } from '#spinegrad/data/png.js';
import type { BankManifest } from '#spinegrad/data/types.js';
import { readCsv } from '#spinegrad/io/csv.js';
import { encodeMha, type MetaImage } from './metaImage.js';

const HEADER =
  'Patient,IVD label,Modic,UP endplate,LOW endplate,Spondylolisthesis,Disc herniation,Disc narrowing,Disc bulging,Pfirrman grade';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'spinegrad-spider-prepare-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function spiderFolder(name: string, gradings: readonly string[]): Promise<string> {
  const dir = join(folder, name);
  for (const part of ['images', 'masks']) await mkdir(join(dir, part), { recursive: true });
  await writeFile(join(dir, 'radiological_gradings.csv'), `${[HEADER, ...gradings].join('\n')}\n`);
  return dir;
}
const prepare = (dir: string, neighbours = 0) =>
  prepareBank({
    data: dir,
    out: `${dir}-bank`,
    tasks: ['spider/pfirrmann'],
    threads: 1,
    roi: { size: 16, mode: 'mm', extentMm: 32, neighbours },
  });

/** Posterior, inferior, left; 0.5 x 0.5 x 4 mm. The discs are 35 mm apart. */
const SIZE = [100, 400, 5] as const;
const centreOf = (level: Level): [number, number] => {
  const index = (LEVELS as readonly Level[]).indexOf(level);
  return [40 + index, 40 + 70 * index];
};

/** A mask whose canal is widest on slice 2, counted from 0, with discs of 21 x 9 pixels. */
function maskOf(levels: readonly Level[]): Uint8Array {
  const [columns, rows, slices] = SIZE;
  const mask = new Uint8Array(columns * rows * slices);
  for (let k = 0; k < slices; k++) {
    const block = (label: number, left: number, top: number, width: number, height: number) => {
      for (let y = top; y < top + height; y++) {
        const start = (k * rows + y) * columns + left;
        mask.fill(label, start, start + width);
      }
    };
    block(100, 70, 0, 8 - 2 * Math.abs(k - 2), rows);
    for (const level of levels) {
      const [x, y] = centreOf(level);
      block(200 + DISC_LEVELS.length - DISC_LEVELS.indexOf(level), x - 10, y - 4, 21, 9);
    }
  }
  return mask;
}
const imageOf = () => Int16Array.from({ length: SIZE[0] * SIZE[1] * SIZE[2] }, (_, i) => (i * 7919) % 1000);

describe('a SPIDER folder with invalid files', () => {
  let dir: string;
  let manifest: BankManifest;
  beforeAll(async () => {
    const grades = [1, 2, 3, 4, 5].flatMap((patient) =>
      [1, 2, 3].map((label) => `${patient},${label},0,0,0,0,0,0,0,${label}`),
    );
    dir = await spiderFolder('synthetic', [...grades, '1,8,0,0,0,0,0,0,0,1']);
    const write = async (name: string, mask: MetaImage, change: Partial<MetaImage> = {}, bytes?: number) => {
      const image = encodeMha({ size: SIZE, values: imageOf(), compressed: true, ...change });
      await writeFile(join(dir, `images/${name}.mha`), image.subarray(0, bytes));
      await writeFile(join(dir, `masks/${name}.mha`), encodeMha({ ...mask, compressed: true }));
    };
    const full = { size: SIZE, values: maskOf(LEVELS) };
    await write('1_t2', full);
    await write('2_t2', { size: [100, 400, 4], values: full.values.subarray(0, 160_000) });
    await write('3_t2', full, {}, 2000);
    const [c, s] = [Math.cos(0.7), Math.sin(0.7)];
    await write('5_t2', { ...full, fields: { TransformMatrix: '0 1 0 0 0 1 1 0 0' } });
    await write('4_t2', full, { fields: { TransformMatrix: `${-s} ${c} 0 0 0 -1 ${c} ${s} 0` } });
    manifest = await prepare(dir);
  });

  test('has the discs of the valid series at their centres on the canal slice', () => {
    expect(manifest.rois.map(({ level }) => level)).toEqual(LEVELS);
    for (const { level, centrePx, centreMm, instanceNumber, studyId, series, file } of manifest.rois) {
      expect({ studyId, series, file, instanceNumber }).toEqual({
        ...{ studyId: '1', series: 'T2', file: 'images/1_t2.mha', instanceNumber: 3 },
      });
      const [x, y] = centreOf(level);
      expect(centrePx).toEqual([x, y]);
      expect(centreMm).toEqual([8, x / 2, -y / 2]);
    }
    const grades = manifest.rois.map((roi) => roi.grades[0]);
    expect(grades).toEqual([null, null, 2, 1, 0]);
    expect(manifest.slices).toMatchObject([{ complete: true, instanceNumber: 3, spacingFrom: 'file' }]);
  });

  test('reports the other series, grades without a disc and discs without a grade', () => {
    const found = (code: string) =>
      manifest.skipped
        .filter((entry) => entry.code === code)
        .map(({ path, message }) => `${path} ${message}`);
    expect(found('ERR_MASK').join()).toMatch(/2_t2.*4 slices.*5 slices/);
    expect(found('ERR_MASK').join()).toMatch(/5_t2.*elsewhere in the patient/);
    expect(found('ERR_MHA').join()).toMatch(/3_t2.*truncated/);
    expect(found('ERR_MHA').join()).toMatch(/4_t2.*40 degrees/);
    expect(found('ERR_DISC_MISSING').join()).toContain('T10/T11');
    expect(found('ERR_LABEL_MISSING').join()).toMatch(/L1\/L2 has a disc.*L2\/L3 has a disc/);
    expect(manifest.skipped).toHaveLength(7);
  });
});

const testData = process.env.SPINEGRAD_TEST_DATA;
describe.skipIf(testData === undefined)('a SPIDER folder of real slices', () => {
  const NAME = '127_t2_SPACE';

  test('has the discs of the published boxes', async () => {
    const source = join(testData!, 'spider');
    const published = await readCsv(join(source, 'radiological_gradings.csv'), []);
    const rows = published.filter(({ fields }) => fields.Patient === '127');
    const columns = HEADER.split(',');
    const dir = await spiderFolder(
      'real',
      rows.map(({ fields }) => columns.map((column) => fields[column]).join()),
    );
    const files = (await readdir(join(source, 'space/images')))
      .filter((file) => file.startsWith(NAME))
      .sort();
    const images: number[] = [];
    const masks: number[] = [];
    for (const file of files) {
      const image = decode(await readFile(join(source, 'space/images', file)));
      for (const value of image.data) images.push(value);
      for (const value of await spiderLabels(join(source, 'space/masks', file), rows.length))
        masks.push(value);
    }
    const size = [512, 640, files.length] as const;
    const fields = { ElementSpacing: '0.46875 0.46875 1.8' };
    const write = (part: string, values: number[], Values: typeof Int16Array | typeof Uint8Array) =>
      writeFile(
        join(dir, part, '127_t2.mha'),
        encodeMha({ size, values: Values.from(values), compressed: true, fields }),
      );
    await write('images', images, Int16Array);
    await write('masks', masks, Uint8Array);

    const { rois, skipped } = await prepare(dir, 1);
    expect(skipped).toEqual([]);
    const boxes = (await readCsv(join(source, 'discs.csv'), [])).filter(
      ({ fields }) => fields.image === NAME,
    );
    const annotated = rois.filter(({ sliceOffset }) => sliceOffset === 0);
    expect(annotated).toHaveLength(boxes.length);
    for (const { fields } of boxes) {
      const roi = annotated.find(({ level }) => level === DISC_LEVELS.at(-Number(fields.ivd_label)))!;
      const [x, y] = roi.centrePx;
      // The published boxes are those of a slice nearby.
      expect(
        Math.hypot(x - (+fields.left! + +fields.right!) / 2, y - (+fields.top! + +fields.bottom!) / 2),
      ).toBeLessThan(6);
      const grade = rows.find((row) => row.fields['IVD label'] === fields.ivd_label)!.fields[
        'Pfirrman grade'
      ];
      expect(roi.grades).toEqual([Number(grade) - 1]);
    }
  });

  /** A mask with the labels of SPIDER, from one with 29 for discs, 76 for vertebrae and 150 for the canal. */
  async function spiderLabels(path: string, count: number): Promise<Uint8Array> {
    const mask = await readPng(path, null);
    const discs = discsFromRegions(mask, 29, count)!;
    return Uint8Array.from(mask.pixels, (value, i) => {
      if (value === 150) return 100;
      if (value !== 29) return 0;
      const [x, y] = [i % mask.columns, Math.floor(i / mask.columns)];
      const disc = discs.find(({ box: [l, t, r, b] }) => x >= l && x <= r && y >= t && y <= b);
      return disc === undefined ? 0 : 200 + DISC_LEVELS.length - DISC_LEVELS.indexOf(disc.level);
    });
  }
});

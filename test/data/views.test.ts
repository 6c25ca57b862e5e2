/** Views of a bank: splits, label fractions and tasks. */
import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cutBank } from '#spinegrad/data/cutBank.js';
import type { Bank, RoiRecord, Split } from '#spinegrad/data/types.js';
import { withLabels, withSplit, withTasks } from '#spinegrad/data/views.js';
import { tinyLayout } from './layout.js';

const OPTIONS = { roi: { size: 8, mode: 'mm', extentMm: 64, neighbours: 0 }, sliceSize: 16 } as const;
const SEEDS = { splitSeed: 1, labelSeed: 1 };

let data: string;
let bank: Bank;

beforeAll(async () => {
  data = await tinyLayout(Array.from({ length: 12 }, (_, index) => ({ studyId: `${100 + index}` })));
  bank = await cutBank({ data, ...OPTIONS });
});
afterAll(() => rm(data, { recursive: true }));

describe('withSplit', () => {
  test('equals a bank that was cut with the split', async () => {
    const split = { seed: 3, folds: 4, fold: 1 };
    const view = withSplit(bank, split);
    expect(view).toEqual(await cutBank({ data, ...OPTIONS, split }));
    expect(view.manifest.fingerprint).not.toBe(bank.manifest.fingerprint);
    expect(withSplit(view, bank.manifest.split)).toEqual(bank);
  });

  test('refuses a split that checkSplit refuses', () => {
    expect(() => withSplit(bank, { folds: 2, fold: 0 })).toThrow(
      expect.objectContaining({ code: 'ERR_SPLIT' }),
    );
  });
});

describe('withTasks', () => {
  test('selects and orders the tasks and the grades of each disc', () => {
    const [task] = bank.manifest.tasks;
    const two: Bank = {
      ...bank,
      manifest: {
        ...bank.manifest,
        tasks: [task!, { ...task!, id: 'second' }],
        rois: bank.manifest.rois.map((roi, row) => ({ ...roi, grades: [roi.grades[0]!, row % 3] })),
      },
    };
    const { manifest } = withTasks(two, ['second', task!.id]);
    expect(manifest.tasks.map(({ id }) => id)).toEqual(['second', task!.id]);
    expect(manifest.rois.map(({ grades }) => grades)).toEqual(
      two.manifest.rois.map(({ grades: [first, second] }) => [second, first]),
    );
    expect(manifest.fingerprint).not.toBe(two.manifest.fingerprint);
    expect(withTasks(two, [task!.id]).manifest.rois).toEqual(bank.manifest.rois);
  });

  test('refuses a task that the bank does not have', () => {
    expect(() => withTasks(bank, ['spider/modic'])).toThrow(
      expect.objectContaining({
        code: 'ERR_TASK_MISMATCH',
        message: expect.stringContaining('spider/modic'),
      }),
    );
  });
});

/** 200 patients with three discs each: 140 for training, 30 for validation, 30 for test; one in ten is severe. */
function patients(): Bank {
  const splitAt = (index: number): Split =>
    index % 20 < 14 ? 'train' : index % 20 < 17 ? 'validation' : 'test';
  const record = bank.manifest.rois[0]!;
  const rois = Array.from({ length: 600 }, (_, row): RoiRecord => {
    const index = Math.floor(row / 3);
    const worst = index % 10 === 1 ? 2 : index % 2;
    return {
      ...{ ...record, row, disc: row, studyId: `p${index}`, split: splitAt(index) },
      grades: [row % 3 === 0 ? worst : 0],
    };
  });
  return { ...bank, manifest: { ...bank.manifest, rois } };
}

const labelled = ({ manifest }: Bank, side: Split): Set<string> =>
  new Set(
    manifest.rois
      .filter(({ split, grades }) => split === side && grades[0] !== null)
      .map(({ studyId }) => studyId),
  );

describe('withLabels', () => {
  const all = () => patients();
  const at = (fraction: number, change = {}) => withLabels(all(), { ...SEEDS, fraction, ...change });

  test('keeps the fraction of the patients of training and validation, and all test patients', () => {
    const view = at(0.25);
    expect(labelled(view, 'train').size).toBe(35);
    expect(labelled(view, 'validation').size).toBe(8);
    expect(labelled(view, 'test').size).toBe(30);
  });

  test('hides whole patients and changes nothing else', () => {
    const [full, view] = [all(), at(0.1)];
    for (const [row, roi] of view.manifest.rois.entries()) {
      const original = full.manifest.rois[row]!;
      const kept = labelled(view, original.split).has(original.studyId);
      expect(roi).toEqual(kept ? original : { ...original, grades: [null] });
    }
    expect(view.rois).toBe(full.rois);
  });

  test('keeps the patients of a smaller fraction at a larger one', () => {
    const sets = [0.01, 0.1, 0.25, 0.5, 0.8, 1].map((fraction) => labelled(at(fraction), 'train'));
    for (const [index, smaller] of sets.slice(0, -1).entries()) {
      expect([...smaller].filter((id) => !sets[index + 1]!.has(id))).toEqual([]);
      expect(smaller.size).toBeLessThan(sets[index + 1]!.size);
    }
  });

  test('keeps the frequencies of the worst grades, and at least one patient of each', () => {
    const severe = (view: Bank) => [...labelled(view, 'train')].filter((id) => /1$/.test(id)).length;
    expect(severe(at(0.5))).toBe(10);
    expect(severe(at(0.001))).toBe(1);
    expect(labelled(at(0.001), 'train').size).toBe(3);
    expect(labelled(at(0.001), 'validation').size).toBeGreaterThanOrEqual(2);
  });

  test('chooses other patients with another seed of the labels or of the split, and the same with the same', () => {
    const chosen = (change = {}) => [...labelled(at(0.25, change), 'train')].join();
    expect(chosen()).toBe(chosen());
    expect(new Set([chosen(), chosen({ labelSeed: 2 }), chosen({ splitSeed: 2 })]).size).toBe(3);
  });

  test('counts the visible grades, and has another fingerprint', () => {
    const { classCounts, discs, fingerprint } = at(0.25).manifest;
    const [task] = Object.keys(classCounts);
    const sum = (side: Split) => Object.values(classCounts[task!]![side]).reduce((a, b) => a + b);
    expect([sum('train'), sum('validation'), sum('test'), discs]).toEqual([105, 24, 90, 219]);
    expect(fingerprint).not.toBe(at(0.5).manifest.fingerprint);
  });

  test('refuses a fraction outside of (0, 1]', () => {
    for (const fraction of [0, -0.1, 1.5, Number.NaN]) {
      expect(() => at(fraction)).toThrow(expect.objectContaining({ code: 'ERR_LABELS' }));
    }
  });
});

import { describe, expect, it } from 'vitest';
import { rsnaScore } from '#spinegrad/evaluation/rsnaScore.js';
import type { PatientGroups } from '#spinegrad/study/evaluateGroups.js';
import { summariseStudy } from '#spinegrad/study/summarise.js';
import { studySummarySchema } from '#spinegrad/study/types.js';
import { RSNA_TASKS } from '#spinegrad/tasks/rsna.js';
import { MODIC, PFIRRMANN } from '../tasks/examples.js';
import { simulateStudy } from './simulate.js';

describe('summary of a complete study', () => {
  const { facts, lines } = simulateStudy({
    tasks: [PFIRRMANN, MODIC],
    arms: { scratch: 0.8, frozen: 1, contrastive: 1.6 },
  });
  const summary = summariseStudy(lines, facts);

  it('fits its schema, also after JSON', () => {
    expect(studySummarySchema.parse(JSON.parse(JSON.stringify(summary)))).toEqual(summary);
  });

  it('has a block per label fraction and kind of crop, with all arms and comparisons', () => {
    expect(summary.tasks.map(({ task }) => task.id)).toEqual([PFIRRMANN.id, MODIC.id]);
    const { blocks, groups } = summary.tasks[0]!;
    expect(blocks.map(({ labels, crops }) => [labels, crops])).toEqual([
      [0.25, 'predicted'],
      [0.25, 'annotated'],
      [1, 'predicted'],
      [1, 'annotated'],
    ]);
    for (const { arms, comparisons } of blocks) {
      expect(arms.map(({ name }) => name)).toEqual(['scratch', 'frozen', 'contrastive']);
      expect(comparisons.map(({ a, b }) => `${a} ${b}`)).toEqual([
        'frozen scratch',
        'contrastive scratch',
        'contrastive frozen',
      ]);
      expect(arms[0]).toMatchObject({ patients: 40, discs: 200, repeats: [0, 1], complete: true });
    }
    expect(groups).toBeNull();
    expect(summary.rsna).toBeNull();
    expect(summary.plan).toMatchObject({ folds: 4, repeats: 2, labels: [0.25, 1], missing: [] });
    expect(summary.plan.progress).toHaveLength(6);
    expect(summary.plan.progress[0]).toEqual({ labels: 0.25, arm: 'scratch', planned: 8, finished: 8 });
  });

  it('does not compare two variants, and corrects over the other pairs', () => {
    const arms = facts.arms.map((arm) =>
      arm.name === 'scratch' ? arm : { ...arm, variantOf: 'scratch' as const },
    );
    const { comparisons } = summariseStudy(lines, { ...facts, arms }).tasks[0]!.blocks[2]!;
    expect(comparisons.map(({ a, b }) => `${a} ${b}`)).toEqual(['frozen scratch', 'contrastive scratch']);
    const kappa = comparisons.map(({ metrics }) => metrics.kappa);
    expect(Math.min(...kappa.map(({ pHolm }) => pHolm!))).toBeCloseTo(
      Math.min(1, 2 * Math.min(...kappa.map(({ p }) => p!))),
      12,
    );
  });

  it('corrects the p-values within a block and metric', () => {
    const metrics = summary.tasks[0]!.blocks[2]!.comparisons.map((comparison) => comparison.metrics.kappa);
    const smallest = metrics.reduce((best, next) => (next.p! < best.p! ? next : best));
    expect(smallest.pHolm).toBeCloseTo(Math.min(1, 3 * smallest.p!), 12);
    for (const { p, pHolm } of metrics) expect(pHolm).toBeGreaterThanOrEqual(p!);
  });

  it('has counts of the most severe grade for ordered grades only', () => {
    const [ordered, nominal] = summary.tasks.map(({ blocks }) => blocks[0]!.arms[0]!);
    const { n } = ordered!.mostSevereAsMildest!;
    expect(n).toBe(
      lines.filter((line) => line.task === PFIRRMANN.id && line.truth === 4).length / (2 * 2 * 3 * 2),
    );
    expect(ordered!.metrics.mostSevereAsMildest.high).not.toBeNull();
    expect(nominal!.mostSevereAsMildest).toBeNull();
    expect(nominal!.metrics.mostSevereAsMildest.value).toBeNull();
  });

  it('does not depend on the order of the lines', () => {
    expect(summariseStudy([...lines].reverse(), facts)).toEqual(summary);
  });
});

describe('a partial study', () => {
  const { facts, lines } = simulateStudy({ repeats: 3, labels: [1] });
  const without = (...missing: { fold: number; repeat: number; arm: string }[]) =>
    lines.filter(
      (line) =>
        !missing.some(
          ({ fold, repeat, arm }) => line.fold === fold && line.repeat === repeat && line.arm === arm,
        ),
    );

  it('lists the missing cells and evaluates the complete repeats', () => {
    const summary = summariseStudy(without({ fold: 1, repeat: 2, arm: 'contrastive' }), facts);
    expect(summary.plan.missing).toEqual([{ fold: 1, repeat: 2, labels: 1, arm: 'contrastive' }]);
    const { arms, comparisons } = summary.tasks[0]!.blocks[0]!;
    expect(arms).toMatchObject([
      { name: 'scratch', repeats: [0, 1, 2], complete: true, patients: 40 },
      { name: 'contrastive', repeats: [0, 1], complete: false, patients: 40 },
    ]);
    expect(comparisons).toMatchObject([{ repeats: [0, 1], complete: false, patients: 40 }]);
    // The comparison uses the same two repeats of both arms.
    const only = summariseStudy(
      lines.filter(({ repeat }) => repeat < 2),
      facts,
    );
    const { metrics } = only.tasks[0]!.blocks[0]!.comparisons[0]!;
    expect(comparisons[0]!.metrics).toEqual(metrics);
  });

  it('without a complete repeat evaluates the cells that both arms have', () => {
    const cells = lines.filter(
      ({ fold, repeat, arm }) => repeat === 0 && (arm === 'scratch' ? fold < 3 : fold > 0),
    );
    const { arms, comparisons } = summariseStudy(cells, facts).tasks[0]!.blocks[0]!;
    expect(arms.map(({ patients }) => patients)).toEqual([30, 30]);
    expect(comparisons[0]).toMatchObject({ patients: 20, repeats: [0], complete: false });
  });

  it('has no comparison if the arms have no cell in common, and no result without lines', () => {
    const cells = lines.filter(({ fold, arm }) => (arm === 'scratch') === fold < 2);
    expect(summariseStudy(cells, facts).tasks[0]!.blocks[0]!.comparisons).toEqual([]);
    const empty = summariseStudy([], facts);
    expect(empty.tasks).toEqual([]);
    expect(empty.plan.missing).toHaveLength(facts.cells.length);
  });

  it('refuses lines of another plan, and a disc that is tested twice in a repeat', () => {
    expect(() => summariseStudy([{ ...lines[0]!, fold: 9 }], facts)).toThrow(/fold 9, .*expected a cell/);
    expect(() => summariseStudy([...lines, { ...lines[0]!, fold: 1 }], facts)).toThrow(
      /two of arm scratch for study p0, L1\/L2, repeat 0/,
    );
  });
});

describe('groups', () => {
  it('are evaluated by scanner and field strength at the largest label fraction', () => {
    const { facts, lines } = simulateStudy();
    const groups = new Map(
      Array.from({ length: 40 }, (_, i): [string, PatientGroups] => [
        `p${i}`,
        { scanner: i < 30 ? 'A' : i < 38 ? 'B' : null, fieldStrength: '1.5 T' },
      ]),
    );
    const [task] = summariseStudy(lines, { ...facts, groups }).tasks;
    // All field strengths are equal, so they are no groups.
    expect(task!.groups).toMatchObject([
      { kind: 'scanner', value: 'A', patients: 30, arms: [{ name: 'scratch', discs: 150 }, {}] },
      { kind: 'scanner', value: 'B', patients: 8 },
    ]);
    const { metrics } = task!.groups![1]!.arms[0]!;
    expect(metrics.balancedAccuracy).toMatchObject({ value: expect.any(Number), low: null, high: null });
  });
});

describe('the score of the RSNA challenge', () => {
  it('is the mean of the scores of the repeats, with an interval', () => {
    const { facts, lines } = simulateStudy({
      tasks: RSNA_TASKS,
      labels: [1],
      crops: ['predicted'],
      arms: { only: 1 },
    });
    const [block] = summariseStudy(lines, facts).rsna!;
    const scores = [0, 1].map((repeat) => {
      const tasks = RSNA_TASKS.map(({ id }) => {
        const own = lines.filter((line) => line.task === id && line.repeat === repeat);
        return [
          id,
          {
            studyId: own.map(({ study }) => study),
            level: own.map(({ level }) => level),
            truth: own.map(({ truth }) => truth),
            probabilities: own.map(({ probabilities }) => probabilities),
          },
        ] as const;
      });
      return rsnaScore(new Map(tasks))!.score;
    });
    const { score, anySevereSpinal } = block!.arms[0]!;
    expect(score.value).toBeCloseTo((scores[0]! + scores[1]!) / 2, 12);
    expect(score.low!).toBeLessThan(score.value!);
    expect(score.high!).toBeGreaterThan(score.value!);
    expect(anySevereSpinal.repeats).toHaveLength(2);
  });
});

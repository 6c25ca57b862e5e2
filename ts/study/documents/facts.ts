/** Sentences about a study that the model card and the checklists share. */
import { MIN_PATIENTS } from '../../evaluation/bootstrap.js';
import { count, decimal, percent, percentRange, range, signed } from '../../report/format.js';
import { extremeError } from '../../report/grades.js';
import { boundsOf } from '../page/figures.js';
import { meanCount } from '../page/tables.js';
import { mainComparison, powerStatement, primaryBlock } from '../primary.js';
import type { StudySummary, StudyTask } from '../types.js';

export interface SharedFacts {
  data: string;
  tasks: string;
  design: string;
  arms: string;
  metrics: string;
  statistics: string;
  power: string | null;
  /** One sentence per task. */
  results: string[];
  sizes: string;
  missing: string | null;
  software: string;
}

export function sharedFacts(summary: StudySummary): SharedFacts {
  const { data, plan, tasks, resampling, program } = summary;
  const fractions = plan.labels.map((labels) => percent(labels, 0)).join(', ');
  const powers = tasks.flatMap((task) => {
    const power = powerStatement(primaryBlock(task));
    return power === null ? [] : [tasks.length > 1 ? `${task.task.title}: ${power}` : power];
  });
  return {
    data: `${data.name} (layout ${data.layout}); series: ${data.series.join(', ')}. ${data.notice}${
      data.synthetic ? ' **The data are synthetic: they are no evidence about patients.**' : ''
    }`,
    tasks: tasks
      .map(({ task }) => `${task.title} (${task.grades.map(({ name }) => name).join(', ')})`)
      .join('; '),
    design:
      `Repeated cross-validation by patient: ${plan.folds} folds, ${plan.repeats} repeats, with ${fractions} of the labels ` +
      'of the training and validation patients.',
    arms: plan.arms.map(({ name, description }) => `${name}: ${description}`).join('; '),
    metrics:
      'Balanced accuracy (primary), recall per grade, most severe grade predicted as the mildest, Cohen’s kappa (quadratic ' +
      'for ordered grades), AUROC, AUPRC, expected calibration error, weighted log loss.',
    statistics:
      `Bootstrap by patient (${resampling.resamples} resamples, 95 % percentile intervals), Wilson interval for the most ` +
      `severe grade predicted as the mildest, paired permutation test by patient (${resampling.permutations} permutations), ` +
      `Holm’s correction over the comparisons of a task and label fraction. Intervals need ${MIN_PATIENTS} patients per grade.`,
    power: powers.length > 0 ? powers.join(' ') : null,
    results: tasks.map(resultOf),
    sizes: tasks.map(sizeOf).join('; '),
    missing:
      plan.missing.length > 0
        ? `The study is not finished: missing are ${count(plan.missing.length, 'cell')}.`
        : null,
    software: `spinegrad ${program.version}, commit ${program.commit}, Node.js.`,
  };
}

function sizeOf(result: StudyTask): string {
  const { arms } = primaryBlock(result);
  const { patients, discs, patientsPerGrade } = arms[0]!;
  const perGrade = Object.entries(patientsPerGrade).map(([grade, count]) => `${grade} ${count}`);
  return `${result.task.title}: ${patients} patients, ${Math.round(discs)} graded discs; patients with a disc of each grade: ${perGrade.join(', ')}`;
}

function resultOf(result: StudyTask): string {
  const block = primaryBlock(result);
  const arm = block.arms.at(-1)!;
  const { balancedAccuracy, kappa, mostSevereAsMildest } = arm.metrics;
  const counts = arm.mostSevereAsMildest;
  const extreme =
    counts &&
    `${extremeError(result.task)}: ${meanCount(counts.k)} of ${meanCount(counts.n)} (${percentRange(mostSevereAsMildest)})`;
  const comparison = mainComparison(block);
  const difference = comparison?.metrics.balancedAccuracy;
  return [
    `${result.task.title}, ${arm.name}, ${percent(block.labels, 0)} of the labels, ${block.crops} crops: balanced accuracy ` +
      `${decimal(balancedAccuracy.value)} (${range(boundsOf(balancedAccuracy))}), kappa ${decimal(kappa.value)} (${range(boundsOf(kappa))})`,
    ...(extreme ? [extreme] : []),
    ...(comparison && difference && difference.value !== null
      ? [
          `${comparison.a} − ${comparison.b}: ${signed(difference.value)} (${range(boundsOf(difference), 3, signed)}), ` +
            `p = ${decimal(difference.pHolm)} after Holm`,
        ]
      : []),
  ].join('; ');
}

/** The graded discs of a manifest. */
import type { Task } from '../tasks/task.js';
import type { BankManifest, RoiRecord } from './types.js';

/** Number of discs with a grade of at least one task, and of graded discs by task id, split and name of the grade. */
export function countGrades(
  tasks: readonly Task[],
  rois: readonly Pick<RoiRecord, 'disc' | 'grades' | 'split'>[],
): Pick<BankManifest, 'discs' | 'classCounts'> {
  const zeroCounts = ({ grades }: Task) => Object.fromEntries(grades.map(({ name }) => [name, 0]));
  const classCounts: BankManifest['classCounts'] = Object.fromEntries(
    tasks.map((task) => [
      task.id,
      { train: zeroCounts(task), validation: zeroCounts(task), test: zeroCounts(task) },
    ]),
  );
  const discs = new Map(rois.map((roi) => [roi.disc, roi]));
  let graded = 0;
  for (const { grades, split } of discs.values()) {
    if (grades.some((grade) => grade !== null)) graded++;
    tasks.forEach((task, index) => {
      const grade = grades[index] ?? null;
      if (grade !== null) classCounts[task.id]![split][task.grades[grade]!.name]!++;
    });
  }
  return { discs: graded, classCounts };
}

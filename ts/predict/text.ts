/** A prediction as text: one line per level and task. */
import type { Prediction, TaskGrade } from './prediction.js';

/**
 * One line per level and task: the grade with its probability, the set of plausible grades, and marks
 * of doubt. Of a model with several tasks the line names the task.
 *
 * @example
 * textOf(prediction); // 'L4/L5  moderate 0.61  {moderate, severe}  ?\n'
 */
export function textOf({ levels, model }: Prediction): string {
  const several = model.trainedOn.tasks.length > 1;
  const lines = levels.flatMap(({ level, grades }) =>
    grades.map((grade) =>
      [
        level,
        ...(several ? [grade.task] : []),
        `${grade.grade} ${grade.probabilities[grade.grade]!.toFixed(2)}`,
        `{${grade.set.join(', ')}}`,
        ...marks(grade),
      ].join('  '),
    ),
  );
  const coverage = `sets contain the true grade of ${(100 * model.setCoverage).toFixed(0)} % of the discs of each grade, nominally`;
  return `${[...lines, coverage].join('\n')}\n`;
}

function marks({ novelty, doubtful }: TaskGrade): string[] {
  return [...(novelty > 1 ? ['novel'] : []), ...(doubtful ? ['?'] : [])];
}

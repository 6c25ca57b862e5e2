/** Test discs of the report with the saliency maps of their predicted grade. */
import { argmax } from '../evaluation/metrics.js';
import type { Prediction } from '../evaluation/predictionsFile.js';
import { cropInputs } from '../model/grade.js';
import { saliency } from '../model/saliency.js';
import type { SaliencyExample, TaskFigures } from '../report/types.js';
import type { EvaluatedArm } from './assess.js';
import type { Evaluated } from './evaluateArms.js';
import { discKey, rowImage } from './reportErrors.js';
import type { RoiDataset } from './roiDataset.js';
import type { Run } from './stage.js';

/**
 * For each grade of a task the disc with the largest probability that an arm graded right, and the one that it graded wrong,
 * on predicted crops.
 *
 * @param index of the task in the bank
 */
export async function saliencyExamples(
  { device }: Pick<Run, 'device'>,
  dataset: RoiDataset,
  { predictions, test }: Pick<Evaluated, 'predictions' | 'test'>,
  { name, grader }: Pick<EvaluatedArm, 'name' | 'grader'>,
  index: number,
): Promise<TaskFigures['saliency']> {
  const { id, grades } = dataset.tasks[index]!;
  const lines = predictions.filter(
    (line) => line.task === id && line.arm === name && line.crops === 'predicted',
  );
  const positions = new Map(
    test.discs.flatMap(({ disc }, position) =>
      disc.grades[index] === null ? [] : [[discKey(disc.studyId, disc.level), position] as const],
    ),
  );
  const examples = async (right: boolean): Promise<SaliencyExample[]> => {
    const chosen = grades.flatMap((_, grade) => mostCertain(lines, grade, right));
    if (chosen.length === 0) return [];
    const rows = chosen.map(({ study, level }) => positions.get(discKey(study, level))!);
    const discs = rows.map((row) => test.crops.discs[row]!);
    const [makeInput] = cropInputs(device, { ...test.crops, discs }, dataset.input);
    const maps = await saliency(grader, makeInput!, {
      task: index,
      grades: chosen.map(({ probabilities }) => argmax(probabilities)),
      slots: rows.map((row, i) => discs[i]!.indexOf(test.discs[row]!.row)),
    });
    return chosen.map(({ study, level, side, truth, probabilities }, i) => ({
      studyId: study,
      level: side === null ? level : `${level} ${side}`,
      crop: rowImage(test.crops.pixels, test.crops.size, test.discs[rows[i]!]!.row),
      ...{ truth, probabilities, ...maps[i]! },
    }));
  };
  return { right: await examples(true), wrong: await examples(false) };
}

/** Of the discs predicted as a grade, rightly or wrongly, the one with the largest probability; none or one. */
function mostCertain(lines: readonly Prediction[], grade: number, right: boolean): Prediction[] {
  return lines
    .filter(({ truth, probabilities }) => argmax(probabilities) === grade && (truth === grade) === right)
    .sort((p, q) => q.probabilities[grade]! - p.probabilities[grade]!)
    .slice(0, 1);
}

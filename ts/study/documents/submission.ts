/** The submission format of the RSNA 2024 challenge: one row per study, condition and level. */

import { groupBy } from '../../evaluation/groupBy.js';
import { formatCsv } from '../../io/writeCsv.js';
import { RSNA_TASKS } from '../../tasks/rsna.js';
import { snakeCase } from '../../tasks/task.js';
import type { StudyPrediction } from '../predictionsFile.js';

/**
 * The rows of one arm: mean probabilities over the repeats, sorted by study and condition. Discs without a grade have no
 * row, because they have no prediction.
 *
 * @param lines of one arm, label fraction and kind of crop
 */
export function rsnaSubmission(lines: readonly StudyPrediction[]): string {
  const conditions = new Map(RSNA_TASKS.map(({ id, column }) => [id, column]));
  const own = lines.filter(({ task }) => conditions.has(task));
  const rows = groupBy(
    own,
    ({ study, task, level }) => `${study}_${conditions.get(task)}_${snakeCase(level)}`,
  );
  const means = [...rows].map(([id, repeats]) => {
    const mean = (grade: number) =>
      repeats.reduce((sum, { probabilities }) => sum + probabilities[grade]!, 0) / repeats.length;
    return [id, mean(0), mean(1), mean(2)];
  });
  means.sort(([a], [b]) => (String(a) < String(b) ? -1 : 1));
  return formatCsv(['row_id', 'normal_mild', 'moderate', 'severe'], means);
}

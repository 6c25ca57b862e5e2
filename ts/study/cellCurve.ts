/** The validation curve of a complete cell, from its metrics.jsonl. */
import { join } from 'node:path';
import { z } from 'zod';
import { SpinegradError } from '../error.js';
import { readText } from '../io/files.js';
import { parseJson } from '../io/json.js';
import type { CurvePoint } from './curvesFile.js';
import { readResult } from './results.js';
import type { StudyCell } from './types.js';

const rowSchema = z.object({ epoch: z.int().min(1), validationBalancedAccuracy: z.number() });

/**
 * One point per epoch of fine-tuning. All epochs have the same number of steps.
 *
 * @param trained the arm of the run
 * @param dir folder of the cell
 * @throws SpinegradError ERR_FILE_*; ERR_STUDY_FILE if the file is damaged
 */
export async function cellCurve(
  { fold, repeat, labels, arm }: StudyCell,
  trained: string,
  dir: string,
): Promise<CurvePoint[]> {
  const path = join(dir, 'metrics.jsonl');
  const text = await readText(path);
  const steps = readResult({ dir })?.arm?.steps.finetuning ?? 0;
  try {
    const rows = text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => parseJson(line) as { stage: string })
      .filter(({ stage }) => stage === `finetuning-${trained}`)
      .map((row) => rowSchema.parse(row));
    return rows.map(({ epoch, validationBalancedAccuracy: balancedAccuracy }) => {
      const step = Math.round((steps * epoch) / rows.length);
      return { fold, repeat, labels, arm, epoch, step, balancedAccuracy };
    });
  } catch (cause) {
    throw new SpinegradError('ERR_STUDY_FILE', `${path}: is damaged; delete ${dir} and run the study again`, {
      cause,
    });
  }
}

/** calibration.csv reads back to the same numbers. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import {
  type CalibrationLine,
  formatCalibration,
  readCalibration,
} from '#spinegrad/evaluation/calibrationFile.js';
import { temporaryFolder } from '../training/runs.js';

const LINES: CalibrationLine[] = [
  { task: 'a', study: '=1', level: 'L1/L2', side: null, truth: 2, probabilities: [0.1, 0.2, 0.1 + 0.2, 0.4] },
  { task: 'b', study: '2, x', level: 'L5/S1', side: 'left', truth: 0, probabilities: [1 / 3, 2 / 3] },
];

it('reads back to the same lines, also for tasks with fewer grades', async () => {
  const path = join(await temporaryFolder(), 'calibration.csv');
  writeFileSync(path, formatCalibration(LINES));
  expect(await readCalibration(path)).toEqual(LINES);
});

it('refuses a grade that is not a number', async () => {
  const path = join(await temporaryFolder(), 'calibration.csv');
  writeFileSync(path, formatCalibration(LINES).replace(',2,0.1', ',two,0.1'));
  await expect(readCalibration(path)).rejects.toThrow(/line 2: column truth: found 'two', expected a number/);
});

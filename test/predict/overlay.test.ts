import { expect, it } from 'vitest';
import { labelOf } from '#spinegrad/predict/overlay.js';
import type { LevelPrediction } from '#spinegrad/predict/prediction.js';

const labels = (doubtful: boolean, set = ['severe', 'moderate']) => {
  const grade = {
    task: 'a',
    grade: 'severe',
    probabilities: { moderate: 0.03, severe: 0.97 },
    set,
    doubtful,
  };
  const found = { level: 'L4/L5', doubtful, grades: [grade] } as unknown as LevelPrediction;
  return ['a', 'b'].map((id) => labelOf(found, { id }).text);
};

it('a label has the grade with its probability and the other grades of its set', () => {
  expect(labels(false)).toEqual(['L4/L5 severe 0.97 (or moderate)', 'L4/L5']);
  expect(labels(false, ['severe'])).toEqual(['L4/L5 severe 0.97', 'L4/L5']);
});

it('a doubtful grade has a question mark and no probability', () => {
  expect(labels(true)).toEqual(['L4/L5 severe ?', 'L4/L5 ?']);
});

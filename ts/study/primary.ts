/** The results that headlines and documents quote: the largest label fraction, on predicted crops if there are any. */
import type { Block, StudyComparison, StudyTask } from './types.js';

export function primaryBlock({ blocks }: Pick<StudyTask, 'blocks'>): Block {
  const largest = Math.max(...blocks.map(({ labels }) => labels));
  // Blocks have predicted before annotated crops.
  return blocks.find(({ labels }) => labels === largest)!;
}

/** The last arm minus the first; undefined if they have not been compared. */
export function mainComparison({ arms, comparisons }: Block): StudyComparison | undefined {
  return comparisons.find(({ a, b }) => a === arms.at(-1)!.name && b === arms[0]!.name);
}

/** What a study of this size could have found, in words; null without an interval. */
export function powerStatement({ comparisons }: Block): string | null {
  const found = comparisons.flatMap(({ a, b, metrics: { balancedAccuracy } }) =>
    balancedAccuracy.detectable === null ? [] : [`${balancedAccuracy.detectable.toFixed(3)} for ${a} − ${b}`],
  );
  if (found.length === 0) return null;
  const patients = Math.min(...comparisons.map((comparison) => comparison.patients));
  return (
    `With ${patients} patients, the smallest true differences in balanced accuracy that this study finds with a ` +
    `probability of 80 % (two-sided, level 0.05, one comparison) are ${found.join(', ')}. A smaller difference can be ` +
    'real and still be missed.'
  );
}

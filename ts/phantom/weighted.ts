import type { RandomStream } from '../random.js';

/** Draws one of the values with a probability proportional to its weight. */
export function weighted<T>(
  random: RandomStream,
  choices: readonly (readonly [value: T, weight: number])[],
): T {
  let rest = random.uniform(
    0,
    choices.reduce((sum, [, weight]) => sum + weight, 0),
  );
  for (const [value, weight] of choices) {
    rest -= weight;
    if (rest < 0) return value;
  }
  return choices.at(-1)![0];
}

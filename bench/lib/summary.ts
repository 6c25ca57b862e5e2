/** What samples of one thing say together. */
export interface Timing {
  /** Milliseconds of one call. */
  median: number;
  quartiles: readonly [number, number];
  fastest: number;
  samples: number;
}

/** The fraction `at` of the way through the sorted values. */
const quantile = (sorted: readonly number[], at: number): number => {
  const position = at * (sorted.length - 1);
  const low = Math.floor(position);
  const [a, b] = [sorted[low]!, sorted[Math.ceil(position)]!];
  return a + (position - low) * (b - a);
};

export function summary(samples: readonly number[]): Timing {
  const sorted = samples.toSorted((a, b) => a - b);
  return {
    median: quantile(sorted, 0.5),
    quartiles: [quantile(sorted, 0.25), quantile(sorted, 0.75)],
    fastest: sorted[0]!,
    samples: sorted.length,
  };
}

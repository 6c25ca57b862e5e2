/** Milliseconds per call. */
export interface Timing {
  median: number;
  quartiles: readonly [number, number];
  fastest: number;
  samples: number;
}

/** The p-quantile, linear between order statistics. */
const quantile = (sorted: readonly number[], p: number): number => {
  const position = p * (sorted.length - 1);
  const low = Math.floor(position);
  const [a, b] = [sorted[low]!, sorted[Math.ceil(position)]!];
  return a + (position - low) * (b - a);
};

export function summarize(samples: readonly number[]): Timing {
  const sorted = samples.toSorted((a, b) => a - b);
  return {
    median: quantile(sorted, 0.5),
    quartiles: [quantile(sorted, 0.25), quantile(sorted, 0.75)],
    fastest: sorted[0]!,
    samples: sorted.length,
  };
}

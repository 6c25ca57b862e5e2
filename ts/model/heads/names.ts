/** The names of the heads and the scales that they grade. This file loads without the native addon. */
import { SpinegradError } from '../../error.js';
import type { GradeScale } from '../../tasks/task.js';

/** Values of the setting `finetuning.head`. */
export const HEAD_NAMES = ['softmax', 'coral', 'corn', 'binary'] as const;
export type HeadName = (typeof HEAD_NAMES)[number];

/** The scales of a head. Two grades have one threshold, so their order does not matter. */
const SCALES: Readonly<Record<HeadName, { of: string; fits: (scale: GradeScale) => boolean }>> = {
  softmax: { of: 'any grades', fits: () => true },
  coral: { of: 'ordered grades', fits: hasThresholds },
  corn: { of: 'ordered grades', fits: hasThresholds },
  binary: { of: 'two grades', fits: ({ grades }) => grades.length === 2 },
};

function hasThresholds({ ordered, grades }: GradeScale): boolean {
  return ordered || grades.length === 2;
}

/** Whether a head can grade a scale. */
export const headFits = (head: HeadName, scale: GradeScale): boolean => SCALES[head].fits(scale);

/** The heads that can grade a scale. */
export const headsFor = (scale: GradeScale): HeadName[] => HEAD_NAMES.filter((name) => headFits(name, scale));

/**
 * Refuses a head that cannot grade a scale.
 *
 * @param source where the head is named, for the message
 * @throws SpinegradError ERR_CONFIG
 */
export function expectHeadFits(
  head: HeadName,
  { id, ...scale }: GradeScale & { id: string },
  source: string,
): void {
  if (headFits(head, scale)) return;
  const found = `${scale.grades.length} ${scale.ordered ? 'ordered' : 'nominal'} grades`;
  throw new SpinegradError(
    'ERR_CONFIG',
    `${source}: the head '${head}' is for ${SCALES[head].of}, task ${id} has ${found}; use ${headsFor(scale).join(' or ')}`,
  );
}

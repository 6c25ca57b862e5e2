/** Results from the literature that the report shows next to those of a run. */
import type { Summary } from '../evaluation/types.js';
import { SPINAL_CANAL_STENOSIS } from '../tasks/rsna.js';
import type { Task } from '../tasks/task.js';

export interface Published {
  citation: string;
  arms: readonly {
    name: string;
    balancedAccuracy: number | null;
    /** Fraction of the most severe discs that were predicted as the mildest grade. */
    mostSevereAsMildest: number;
  }[];
  localization: { rmsePx: number };
  remark: string;
}

const PUBLISHED: Record<string, Published> = {
  [SPINAL_CANAL_STENOSIS.id]: {
    citation: 'arXiv 2602.05738',
    arms: [
      { name: 'contrastive', balancedAccuracy: 0.781, mostSevereAsMildest: 0.0213 },
      { name: 'scratch', balancedAccuracy: null, mostSevereAsMildest: 0.0532 },
    ],
    localization: { rmsePx: 10.18 },
    remark: 'The two published rates correspond to 2 and 5 of 94 discs; the paper does not give the counts.',
  },
};

/** Published results for a task; null if there are none, or if the run's data is neither RSNA's nor an imitation of it. */
export const publishedFor = ({ id }: Task, { layout, synthetic }: Summary['data']): Published | null =>
  layout === 'rsna' || synthetic ? (PUBLISHED[id] ?? null) : null;

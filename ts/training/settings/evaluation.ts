/** Settings of the evaluation. */
import { z } from 'zod';
import { GRADING_VIEWS } from '../../model/gradingViews.js';
import { resampleCount } from '../../model/networkLimits.js';
import { setting } from './fields.js';

export const evaluation = z.strictObject({
  resamples: setting(resampleCount, 2000, 'Bootstrap resamples of patients for the 95 % intervals.'),
  coverage: setting(
    z.number().gt(0).lt(1),
    0.9,
    'Nominal coverage of the sets of plausible grades. A grade needs coverage / (1 - coverage) validation discs (9 at 0.9), else it is in every set.',
  ),
  views: setting(
    z.number().int().min(1).max(GRADING_VIEWS.length),
    1,
    'Slightly rotated, scaled and shifted views of each crop over which evaluation and predict average the probabilities. 1: the crop itself.',
  ),
});

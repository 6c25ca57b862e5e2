/** Settings of the evaluation. */
import { z } from 'zod';
import { count, setting } from './fields.js';

export const evaluation = z.strictObject({
  resamples: setting(count, 2000, 'Bootstrap resamples of patients for the 95 % intervals.'),
});

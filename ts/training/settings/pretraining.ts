/** Settings of the contrastive pretraining. */
import { z } from 'zod';
import { count, optimizer, positive, setting } from './fields.js';

export const pretraining = z.strictObject({
  epochs: setting(z.number().int().min(0), 20, 'Passes over the training discs; the paper uses 60.'),
  discs: setting(
    z.number().int().min(2),
    32,
    'Discs per batch, with two views each. The other discs are the negatives.',
  ),
  positives: setting(
    z.enum(['disc', 'level', 'grade']),
    'disc',
    'Views that are positives of each other: those of one disc, of one patient and level, or of one grade of the first task (supervised).',
  ),
  mean: setting(
    z.enum(['outside', 'inside']),
    'outside',
    'Mean over the positives outside or inside the logarithm (L_out and L_in of SupCon).',
  ),
  temperature: setting(positive, 0.1, 'Temperature of InfoNCE.'),
  learnTemperature: setting(z.boolean(), false, 'Learn the temperature, as CLIP does.'),
  probeEvery: setting(
    z.number().int().min(0),
    10,
    'Epochs between probes of the encoder on the validation patients (nearest neighbours and a linear classifier), with one after the last epoch; 0: none. A probe takes about a fifth of an epoch.',
  ),
  projection: setting(count, 128, 'Dimension of the projected embedding.'),
  ...optimizer(1e-3, 1e-4),
});

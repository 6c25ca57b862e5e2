/** Settings of the encoder that pretraining and fine-tuning share. */
import { z } from 'zod';
import { networkWidth } from '../../model/networkLimits.js';
import type { ResNetOptions } from '../../nn/resnet.js';
import { setting } from './fields.js';

export const encoder = z.strictObject({
  depth: setting(z.literal([18, 34, 50]), 18, 'Depth of the ResNet; not stated in the paper.'),
  width: setting(
    networkWidth,
    32,
    'Channels of the first stage. ResNet has 64; half the width needs a quarter of the operations.',
  ),
  zeroInitResidual: setting(
    z.boolean(),
    true,
    'Start each residual block as the identity, for stable first epochs.',
  ),
  weights: setting(
    z.string().min(1).nullable(),
    null,
    "Safetensors file with a torchvision ResNet for the arm `imported`; depth and width must be the file's. Layers that it does not have stay random.",
  ),
});

/** The options of a `ResNet` among the settings. */
export function resnetOptions({ depth, width, zeroInitResidual }: z.output<typeof encoder>): ResNetOptions {
  return { depth, width, zeroInitResidual };
}

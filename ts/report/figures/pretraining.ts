/** The curves of the contrastive pretraining. */
import type { Summary } from '../../evaluation/types.js';
import { lineChart, type Panel } from '../svg.js';

export function pretrainingPanels({
  trainLoss,
  validationLoss,
  learningRate,
}: Summary['pretraining']): Panel[] {
  const epochs = (values: readonly number[]) => values.map((_, i) => i + 1);
  const best = validationLoss.indexOf(Math.min(...validationLoss));
  return [
    lineChart({
      title: 'Contrastive loss (InfoNCE)',
      description: `Training loss from ${trainLoss[0]?.toFixed(3)} to ${trainLoss.at(-1)?.toFixed(3)}.`,
      x: epochs(trainLoss),
      xLabel: 'epoch',
      series: [
        { name: 'training', values: trainLoss, style: 'first' },
        { name: 'validation', values: validationLoss, style: 'second' },
      ],
      mark:
        best >= 0
          ? { x: best + 1, label: `lowest: ${validationLoss[best]!.toFixed(3)}`, position: 'top' }
          : undefined,
    }),
    lineChart({
      title: 'Learning rate',
      description: 'Warm-up and cosine annealing.',
      x: epochs(learningRate),
      xLabel: 'epoch',
      series: [{ name: 'at the end of the epoch', values: learningRate, style: 'first' }],
    }),
  ];
}

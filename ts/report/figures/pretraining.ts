/** The curves of the contrastive pretraining. */
import type { Summary } from '../../evaluation/types.js';
import { lineChart, type Panel } from '../svg.js';

export function pretrainingPanels({
  trainLoss,
  validationLoss,
  learningRate,
  alignment,
  uniformity,
  probes,
}: Summary['pretraining']): Panel[][] {
  const epochs = (values: readonly number[]) => values.map((_, i) => i + 1);
  const best = validationLoss.indexOf(Math.min(...validationLoss));
  const losses = [
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
  const embeddings = [
    lineChart({
      title: 'Alignment and uniformity',
      description: `Distance of two views of a disc, ${alignment.at(-1)?.toFixed(2)} at the end; log potential of all pairs of discs, ${uniformity.at(-1)?.toFixed(2)}.`,
      x: epochs(alignment),
      xLabel: 'epoch',
      series: [
        { name: 'alignment', values: alignment, style: 'first' },
        { name: 'uniformity', values: uniformity, style: 'second' },
      ],
    }),
    // A line needs two points.
    ...(probes.length > 1 ? [probePanel(probes)] : []),
  ];
  return [losses, embeddings];
}

const probePanel = (probes: Summary['pretraining']['probes']): Panel =>
  lineChart({
    title: 'Balanced accuracy from the embeddings',
    description: `Linear probe ${probes.at(-1)!.linear.toFixed(3)}, five nearest neighbours ${probes.at(-1)!.knn.toFixed(3)} at the end.`,
    x: probes.map(({ epoch }) => epoch),
    xLabel: 'epoch',
    series: [
      { name: 'linear probe', values: probes.map(({ linear }) => linear), style: 'first' },
      { name: '5 nearest neighbours', values: probes.map(({ knn }) => knn), style: 'second' },
    ],
  });

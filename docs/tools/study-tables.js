/**
 * Prints the tables of docs/spider.md from the summary of a study, on crops at the places that the localizer found:
 *
 *     node docs/tools/study-tables.js STUDY/summary.json
 */
import { readFileSync } from 'node:fs';

const { tasks } = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const minus = (text) => text.replaceAll('-', '−');
const signed = (value) => minus(`${value > 0 ? '+' : ''}${value.toFixed(3)}`);
const interval = ({ value, low, high }, format = (x) => minus(x.toFixed(3))) =>
  `${format(value)} (${format(low)} to ${format(high)})`;
const row = (...cells) => console.log(`| ${cells.join(' | ')} |`);
const blocks = tasks.flatMap(({ task, blocks }) =>
  blocks.filter(({ crops }) => crops === 'predicted').map((block) => ({ id: task.id, ...block })),
);

row(
  'task',
  'labels',
  'arm',
  'balanced accuracy (95 %)',
  'kappa (95 %)',
  'AUROC',
  'most severe as mildest',
  'ECE',
);
row('---', '---:', '---', '---:', '---:', '---:', '---:', '---:');
for (const { id, labels, arms } of blocks)
  for (const {
    name,
    metrics,
    mostSevereAsMildest: { k, n },
  } of arms)
    row(
      ...[`\`${id}\``, labels, name, interval(metrics.balancedAccuracy), interval(metrics.kappa)],
      ...[metrics.auroc.value.toFixed(3), `${k.toFixed(1)} of ${n.toFixed(0)}`, metrics.ece.value.toFixed(3)],
    );
console.log();
row(
  'task',
  'labels',
  'arms',
  'balanced accuracy',
  'p (Holm)',
  'detectable',
  'kappa',
  'p (Holm)',
  'most severe as mildest',
);
row('---', '---:', '---', '---:', '---:', '---:', '---:', '---:', '---:');
for (const { id, labels, comparisons } of blocks)
  for (const { a, b, metrics } of comparisons) {
    const { balancedAccuracy, kappa, mostSevereAsMildest } = metrics;
    row(
      ...[`\`${id}\``, labels, `${a} − ${b}`, interval(balancedAccuracy, signed)],
      ...[balancedAccuracy.pHolm.toFixed(3), balancedAccuracy.detectable.toFixed(3)],
      ...[interval(kappa, signed), kappa.pHolm.toFixed(3), interval(mostSevereAsMildest, signed)],
    );
  }
console.log();
row(
  ...[
    'task',
    'labels',
    'arm',
    'coverage',
    'coverage, pooled',
    'grades per set',
    'grades, pooled',
    'ECE, pooled',
  ],
  ...['ensemble of the repeats', 'ensemble − one training'],
);
row('---', '---:', '---', '---:', '---:', '---:', '---:', '---:', '---:', '---:');
for (const { id, labels, arms } of blocks)
  for (const {
    name,
    trust: { split, pooled },
    ensemble,
  } of arms)
    row(
      ...[`\`${id}\``, labels, name, split.coverage.rate.toFixed(3), pooled.coverage.rate.toFixed(3)],
      ...[split.meanSize.toFixed(2), pooled.meanSize.toFixed(2), pooled.after.ece.toFixed(3)],
      ensemble.metrics.balancedAccuracy.value.toFixed(3),
      interval(ensemble.difference.balancedAccuracy, signed),
    );

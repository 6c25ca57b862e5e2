/**
 * Prints the results of one or more runs as the Markdown tables of docs/spider.md:
 *
 *     npx spinegrad evaluate --predictions runs/spider-*\/predictions.csv --json results.json
 *     node docs/tools/results-tables.js results.json
 */
import { readFile } from 'node:fs/promises';

const fixed = (value, digits = 3) => (value === null ? '—' : value.toFixed(digits).replace('-', '−'));
const percent = (value) => (value === null ? '—' : `${(100 * value).toFixed(1)} %`);
const interval = ({ value, low, high }) =>
  low === null ? `${fixed(value)} (—)` : `${fixed(value)} (${fixed(low)} to ${fixed(high)})`;
const kOfN = (proportion) => (proportion === null ? '—' : `${proportion.k} of ${proportion.n}`);
const line = (cells) => `| ${cells.join(' | ')} |`;

function table(header, rows) {
  return [
    line(header),
    line(header.map((_, column) => (column === 0 ? '---' : '---:'))),
    ...rows.map(line),
  ].join('\n');
}

function armTable({ tasks }) {
  const rows = tasks.flatMap(({ task, arms }) =>
    arms.map(({ name, predicted, annotated }, index) => [
      index === 0 ? `\`${task.id}\`` : '',
      name,
      interval(predicted.balancedAccuracy),
      fixed(annotated.balancedAccuracy.value),
      fixed(predicted.kappa),
      fixed(predicted.auroc),
      kOfN(predicted.mostSevereAsMildest),
    ]),
  );
  return table(
    [
      'task',
      'arm',
      'balanced accuracy (95 %)',
      'on annotated crops',
      'kappa',
      'AUROC',
      'most severe as mildest',
    ],
    rows,
  );
}

function comparisonTable({ tasks }) {
  const rows = tasks.flatMap(({ task, comparisons }) =>
    comparisons.predicted.map(({ a, b, difference, p }, index) => [
      index === 0 ? `\`${task.id}\`` : '',
      `${a} − ${b}`,
      interval(difference),
      fixed(p),
      interval(comparisons.annotated[index].difference),
    ]),
  );
  return table(['task', 'arms', 'difference (95 %)', 'p', 'on annotated crops'], rows);
}

function localizationTable({ localization }) {
  const row = (name, sample) => [
    name,
    sample.n,
    fixed(sample.medianMm, 2),
    percent(sample.within5Mm),
    fixed(sample.rmseMm, 1),
    fixed(sample.anyLevel.medianMm, 2),
    percent(sample.anyLevel.within5Mm),
    kOfN(sample.patientsNamed),
    `${sample.slices.wrongDoubtful} of ${sample.slices.wrong}`,
    `${sample.slices.rightDoubtful} of ${sample.slices.right}`,
  ];
  return table(
    [
      'series',
      'discs',
      'median mm',
      'within 5 mm',
      'RMSE mm',
      'median mm, any level',
      'within 5 mm, any level',
      'patients with right levels',
      'doubts about wrong slices',
      'doubts about right slices',
    ],
    [
      ...Object.entries(localization.perSeries).map(([name, sample]) => row(name, sample)),
      row('all', localization),
    ],
  );
}

const results = JSON.parse(await readFile(process.argv[2], 'utf8'));
console.log([localizationTable(results), armTable(results), comparisonTable(results)].join('\n\n'));

/**
 * Prints the tables of methods of docs/spider.md from the summary of a study with variants, on crops at the places that the
 * localizer found: the value of each arm, and the differences between arms.
 *
 *     node docs/tools/variants-table.js STUDY/summary.json [METRIC]      # default: balancedAccuracy
 */
import { readFileSync } from 'node:fs';

const [path, metric = 'balancedAccuracy'] = process.argv.slice(2);
const { tasks, plan } = JSON.parse(readFileSync(path, 'utf8'));
const row = (...cells) => console.log(`| ${cells.join(' | ')} |`);
const digits = (value) => value.toFixed(3).replaceAll('-', '−');
const signed = (value) => (value > 0 ? '+' : '') + digits(value);
const interval = ({ value, low, high }, format) => `${format(value)} (${format(low)} to ${format(high)})`;
const blocks = tasks.flatMap(({ task, blocks }) =>
  blocks.filter(({ crops }) => crops === 'predicted').map((block) => ({ id: task.id, ...block })),
);
const titles = blocks.map(({ id, labels }) => `\`${id}\`, labels ${labels}`);

row('arm', ...titles);
row('---', ...blocks.map(() => '---:'));
for (const { name } of plan.arms)
  row(
    name,
    ...blocks.map(({ arms }) => {
      const found = arms.find((arm) => arm.name === name);
      return found === undefined ? '—' : interval(found.metrics[metric], digits);
    }),
  );
console.log();
row('arms', ...titles);
row('---', ...blocks.map(() => '---:'));
const pairs = new Map(
  blocks.flatMap(({ comparisons }) => comparisons.map((pair) => [`${pair.a} − ${pair.b}`, pair])),
);
for (const [title, { a, b }] of pairs)
  row(
    title,
    ...blocks.map(({ comparisons }) => {
      const found = comparisons.find((pair) => pair.a === a && pair.b === b);
      if (found === undefined) return '—';
      const { [metric]: difference } = found.metrics;
      return `${interval(difference, signed)}, p ${difference.pHolm.toFixed(3)}`;
    }),
  );

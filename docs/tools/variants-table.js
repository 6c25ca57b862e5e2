/**
 * Prints the table of methods of docs/spider.md from the summary of a study with variants, on crops at the places that the
 * localizer found: each arm minus the arm that it varies or, for others, minus the baseline.
 *
 *     node docs/tools/variants-table.js STUDY/summary.json [METRIC]      # default: balancedAccuracy
 */
import { readFileSync } from 'node:fs';

const [path, metric = 'balancedAccuracy'] = process.argv.slice(2);
const { tasks, plan } = JSON.parse(readFileSync(path, 'utf8'));
const { variants = {} } = JSON.parse(readFileSync(path.replace(/summary\.json$/, 'study.json'), 'utf8'));
const row = (...cells) => console.log(`| ${cells.join(' | ')} |`);
const signed = (value) => `${value > 0 ? '+' : ''}${value.toFixed(3)}`.replaceAll('-', '−');
const blocks = tasks.flatMap(({ task, blocks }) =>
  blocks.filter(({ crops }) => crops === 'predicted').map((block) => ({ id: task.id, ...block })),
);

row('arm', 'minus', ...blocks.map(({ id, labels }) => `\`${id}\`, labels ${labels}`));
row('---', '---', ...blocks.map(() => '---:'));
const [baseline, ...others] = plan.arms.map(({ name }) => name);
for (const name of others) {
  const base = variants[name]?.arm ?? baseline;
  row(
    ...[name, base],
    ...blocks.map(({ comparisons }) => {
      const found = comparisons.find(({ a, b }) => (a === name && b === base) || (a === base && b === name));
      if (found === undefined) return '—';
      const sign = found.a === name ? 1 : -1;
      const { value, low, high, pHolm } = found.metrics[metric];
      const ends = [low * sign, high * sign].sort((a, b) => a - b).map(signed);
      return `${signed(value * sign)} (${ends.join(' to ')})${pHolm < 0.05 ? ' *' : ''}`;
    }),
  );
}

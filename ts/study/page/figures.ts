/** The figures of a task: arms with intervals, label efficiency, confusion and reliability. */
import { scaleLinear } from 'd3-scale';
import type { Bounds } from '../../evaluation/types.js';
import { decimal, percent, range } from '../../report/format.js';
import { gradeClass } from '../../report/grades.js';
import { type Markup, markup } from '../../report/markup.js';
import { abbreviate, heatmap, lineChart, PANEL_WIDTH, type Panel } from '../../report/svg.js';
import type { Task } from '../../tasks/task.js';
import type { ArmResult, Difference, Estimate } from '../armResult.js';
import type { MetricName } from '../sample.js';
import type { Block } from '../types.js';

/** Both bounds, or null without an interval. */
export const boundsOf = ({ low, high }: Pick<Estimate | Difference, 'low' | 'high'>): Bounds | null =>
  low === null || high === null ? null : { low, high };

/** The metric as a function of the label fraction, one line per arm. */
export function efficiencyPanel(
  title: string,
  blocks: readonly Block[],
  arms: readonly string[],
  pick: (arm: ArmResult) => Estimate,
): Panel {
  const of = (block: Block, name: string) => {
    const arm = block.arms.find((one) => one.name === name);
    return arm && pick(arm);
  };
  const series = arms.map((name, index) => {
    const estimates = blocks.map((block) => of(block, name));
    return {
      name,
      style: gradeClass(index),
      values: estimates.map((estimate) => estimate?.value ?? null),
      bounds: estimates.map((estimate) => (estimate ? boundsOf(estimate) : null)),
    };
  });
  return lineChart({
    title,
    description: series
      .map(({ name, values }) => `${name}: ${values.map((value) => decimal(value)).join(', ')}`)
      .join('; '),
    x: blocks.map(({ labels }) => labels),
    xLabel: 'fraction of the patients with labels',
    logarithmic: 'x',
    series,
  });
}

const ROW = 19;
const AXIS = 20;
/** Characters of a name that fit next to the axis. */
const NAME_LENGTH = 26;
/** Upper bound of the width of a character in the usual system fonts at 11 px. */
const CHARACTER = 6.4;

interface ForestRow {
  name: string;
  style: string;
  value: number | null;
  bounds: Bounds | null;
}

/** Values with their intervals on a common axis, one row each, by label fraction. */
function forest(title: string, groups: readonly { name: string; rows: ForestRow[] }[], zero: boolean): Panel {
  const all = groups.flatMap(({ rows }) =>
    rows.flatMap(({ value, bounds }) =>
      [value, bounds?.low, bounds?.high].filter((x) => typeof x === 'number'),
    ),
  );
  const [low, high] = [Math.min(...all, zero ? 0 : Infinity), Math.max(...all, zero ? 0 : -Infinity)];
  const names = groups.flatMap(({ rows }) => rows.map(({ name }) => abbreviate(name, NAME_LENGTH)));
  const left = 24 + CHARACTER * Math.max(0, ...names.map(({ length }) => length));
  const x = scaleLinear([low, high > low ? high : low + 1], [left, PANEL_WIDTH - 12]).nice(4);
  const format = x.tickFormat(4);
  let y = 0;
  const lines = groups.map(({ name, rows }) => {
    y += ROW;
    const head = markup`<text class="bold" x="0" y="${y - 5}">${name}</text>`;
    const body = rows.map(({ name: label, style, value, bounds }) => {
      y += ROW;
      const middle = y - 9;
      return markup`<text x="10" y="${y - 5}">${abbreviate(label, NAME_LENGTH)}</text>
${bounds && markup`<path class="interval ${style}" d="M${x(bounds.low)} ${middle}H${x(bounds.high)}" />`}
${value !== null && markup`<circle class="dot ${style}" cx="${x(value)}" cy="${middle}" r="4" />`}`;
    });
    return markup`${head}${body}`;
  });
  const ticks = x.ticks(4).map(
    (tick) => markup`<path class="grid" d="M${x(tick)} 0V${y}" />
<text class="tick middle" x="${x(tick)}" y="${y + 15}">${format(tick)}</text>`,
  );
  return {
    title,
    description: groups
      .flatMap(({ name, rows }) => rows.map((row) => `${name}, ${row.name}: ${decimal(row.value)}`))
      .join('; '),
    height: y + AXIS,
    body: markup`${ticks}${zero && markup`<path class="axis" d="M${x(0)} 0V${y}" />`}${lines}`,
  };
}

const fractionName = (labels: number) => `${percent(labels, 0)} of the labels`;

/** A metric of each arm at each label fraction. */
export function armsPanel(
  title: string,
  blocks: readonly Block[],
  arms: readonly string[],
  pick: (arm: ArmResult) => Estimate,
): Panel {
  const groups = blocks.map((block) => ({
    name: fractionName(block.labels),
    rows: block.arms.map((arm) => {
      const estimate = pick(arm);
      const style = gradeClass(arms.indexOf(arm.name));
      return { name: arm.name, style, value: estimate.value, bounds: boundsOf(estimate) };
    }),
  }));
  return forest(title, groups, false);
}

/** The differences between arms at each label fraction, with a line at zero. */
export function differencesPanel(
  title: string,
  blocks: readonly Block[],
  arms: readonly string[],
  metric: MetricName,
): Panel {
  const groups = blocks.map((block) => ({
    name: fractionName(block.labels),
    rows: block.comparisons.map(({ a, b, metrics }) => {
      const difference = metrics[metric];
      const style = gradeClass(arms.indexOf(a));
      return { name: `${a} − ${b}`, style, value: difference.value, bounds: boundsOf(difference) };
    }),
  }));
  return forest(title, groups, true);
}

const GUTTER = 72;
const MAX_CELL = 62;

/** The confusion matrix of an arm: mean counts over the repeats. */
export function confusionPanel({ grades }: Task, { name, confusion, repeats }: ArmResult): Panel {
  const cell = Math.min(MAX_CELL, Math.floor((PANEL_WIDTH - GUTTER) / grades.length));
  const side = cell * grades.length;
  const rounded = confusion.map((row) => row.map((count) => Math.round(count * 10) / 10));
  const labels = grades.map((grade) => abbreviate(grade.name, Math.floor(cell / 7)));
  return {
    title: `${name}: confusion`,
    description: `Rows are truth, columns prediction: ${rounded.map((row) => row.join(' ')).join('; ')}.`,
    height: side + 52,
    body: markup`<g transform="translate(${GUTTER} 20)"><text class="note end" x="-8" y="-7">truth</text>
<text class="note" x="0" y="-7">${repeats.length > 1 ? `mean of ${repeats.length} repeats` : 'one repeat'}</text>
${grades.map((grade, i) => markup`<text class="tick end" x="-8" y="${(i + 0.5) * cell + 3}">${abbreviate(grade.name, 10)}</text>`)}
${heatmap(rounded, labels, cell)}<text class="note middle" x="${side / 2}" y="${side + 28}">prediction</text></g>`,
  };
}

const PLOT = { left: 46, top: 22, width: PANEL_WIDTH - 58, height: 190, histogram: 44, gap: 26 };

/** Accuracy over confidence, with the number of predictions per bin below. */
export function reliabilityPanel({ name, reliability, metrics: { ece } }: ArmResult, style: string): Panel {
  const x = (confidence: number) => confidence * PLOT.width;
  const y = (accuracy: number) => (1 - accuracy) * PLOT.height;
  const most = Math.max(...reliability.map(({ count }) => count));
  const base = PLOT.height + PLOT.gap + PLOT.histogram;
  const ticks = [0, 0.2, 0.4, 0.6, 0.8, 1];
  const grid: Markup[] = ticks.map(
    (tick) => markup`<path class="grid" d="M0 ${y(tick)}H${PLOT.width}" />
<text class="tick end" x="-8" y="${y(tick) + 4}">${tick.toFixed(1)}</text>
<text class="tick middle" x="${x(tick)}" y="${base + 15}">${tick.toFixed(1)}</text>`,
  );
  const bins = reliability.map(({ low, high, count, confidence, accuracy }) => {
    const height = (count / most) * PLOT.histogram;
    return markup`<path class="interval ${style}" d="M${x(confidence)} ${y(confidence)}V${y(accuracy)}" />
<circle class="dot ${style}" cx="${x(confidence)}" cy="${y(accuracy)}" r="3.5" />
<rect class="heat" x="${x(low) + 1}" y="${base - height}" width="${x(high - low) - 2}" height="${height}" />`;
  });
  const interval = boundsOf(ece);
  return {
    title: `${name}: reliability`,
    description: reliability
      .map(
        ({ confidence, accuracy, count }) => `${confidence.toFixed(2)}: ${accuracy.toFixed(2)} of ${count}`,
      )
      .join('; '),
    height: PLOT.top + base + 36,
    body: markup`<text class="note" x="0" y="8">calibration error ${decimal(ece.value)}${interval && ` (${range(interval, 3)})`}</text>
<g transform="translate(${PLOT.left} ${PLOT.top})">${grid}<path class="reference" d="M0 ${PLOT.height}L${PLOT.width} 0" />
<path class="axis" d="M0 ${base}H${PLOT.width}" />${bins}
<text class="note" x="4" y="12">accuracy</text><text class="note" x="4" y="${PLOT.height + 18}">predictions, at most ${String(most)} per bin</text>
<text class="tick middle" x="${PLOT.width / 2}" y="${base + 32}">confidence</text></g>`,
  };
}

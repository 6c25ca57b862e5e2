/** The tables of the report. */
import type { ArmSummary, Bounds, Interval, Metrics, Proportion, Summary } from '../evaluation/types.js';
import type { Task } from '../tasks/task.js';
import {
  count,
  decimal,
  duration,
  kOfN,
  percent,
  percentRange,
  pValue,
  range,
  signed,
  UNDEFINED,
} from './format.js';
import { chance, extremeError } from './grades.js';
import { type Content, type Markup, markup } from './markup.js';
import type { Published } from './published.js';

const number = (value: Content, sub?: Content) =>
  markup`<td class="number">${value}${sub && markup`<span class="sub">${sub}</span>`}</td>`;

const estimate = (value: number | null, bounds: Bounds | null) =>
  number(decimal(value), value !== null && range(bounds));

const proportion = (value: Proportion) =>
  number(kOfN(value), value.n > 0 && `${percent(value.rate)} (${percentRange(value)})`);

const WHISKER = { width: 110, height: 18 };

/** A point and its interval on an axis from 0 to 1, with a tick at chance; the point is open for predicted crops. */
function whisker({ value, low, high }: Interval, chance: number, open: boolean): Markup {
  const x = (fraction: number) => 5 + fraction * (WHISKER.width - 10);
  const middle = WHISKER.height / 2;
  return markup`<svg class="whisker" viewBox="0 0 ${WHISKER.width} ${WHISKER.height}" aria-hidden="true">
<path class="axis" d="M${x(0)} ${middle}H${x(1)}" opacity="0.35" /><path class="axis" d="M${x(chance)} 4V14" />
${low !== null && high !== null && markup`<path class="bar" d="M${x(low)} ${middle}H${x(high)}" />`}<circle class="${open ? 'open' : 'point'}" cx="${x(value)}" cy="${middle}" r="4" /></svg>`;
}

const CROPS = ['annotated', 'predicted'] as const;

/** Two rows per arm, for annotated and predicted crops; `cells` follow the names. */
function armRows(
  arms: readonly ArmSummary[],
  cells: (metrics: Metrics, first: boolean) => Content,
): Markup[] {
  return arms.flatMap((arm) =>
    CROPS.map((crops) => {
      const first = crops === 'annotated';
      return markup`<tr class="${first && 'group'}">${
        first &&
        markup`<th rowspan="2" scope="rowgroup">${arm.name}<span class="sub">epoch ${arm.bestEpoch}</span></th>`
      }<td>${crops}</td>${cells(arm[crops], first)}</tr>`;
    }),
  );
}

function publishedRows({ arms }: Published, { grades }: Task): Markup[] {
  return arms.map(
    ({
      name,
      balancedAccuracy,
      mostSevereAsMildest,
    }) => markup`<tr class="published"><th scope="row">${name}</th><td>published</td>${number(decimal(balancedAccuracy))}<td></td>
${number(percent(mostSevereAsMildest, 2))}${grades.map(() => number(UNDEFINED))}</tr>`,
  );
}

const heads = (names: readonly string[]) =>
  names.map((name) => markup`<th class="number" scope="col">${name}</th>`);

/** A column per grade, with the number of discs and patients that its recall is computed from. */
function recallHeads({ confusion, patientsPerGrade }: Metrics, { grades }: Task): Markup[] {
  return grades.map(({ name }, i) => {
    const discs = confusion[i]!.reduce((sum, count) => sum + count, 0);
    return markup`<th class="number" scope="col">recall ${name}<span class="sub">${count(discs, 'disc')}, ${count(patientsPerGrade[name]!, 'patient')}</span></th>`;
  });
}

/** Each arm with annotated and predicted crops, then the published results. */
export function armsTable({ arms }: Summary, task: Task, published: Published | null): Markup {
  const extreme = extremeError(task);
  return markup`<div class="scroll" tabindex="0" role="region" aria-label="Arms"><table class="arms"><thead><tr>
<th scope="col">arm</th><th scope="col">crops</th>${heads(['balanced accuracy'])}<th scope="col">from 0 to 1</th>
${heads(extreme === null ? [] : [extreme])}${arms[0] && recallHeads(arms[0].annotated, task)}</tr></thead><tbody>${armRows(
    arms,
    (m, first) => [
      number(decimal(m.balancedAccuracy.value), range(m.balancedAccuracy)),
      markup`<td>${whisker(m.balancedAccuracy, chance(task, m), !first)}</td>`,
      m.mostSevereAsMildest && proportion(m.mostSevereAsMildest),
      task.grades.map(({ name }) => estimate(m.recall[name]!, m.intervals.recall[name]!)),
    ],
  )}${published && publishedRows(published, task)}</tbody></table></div>`;
}

/** Agreement, ranking and calibration of the arms. */
export function furtherMetricsTable({ arms }: Summary, { grades, ordered }: Task): Markup {
  const last = grades.at(-1)!.name;
  const names = ordered
    ? ['quadratic κ', `AUROC ${last}`, `AUPRC ${last}`]
    : ['κ', 'mean AUROC', 'mean AUPRC'];
  return markup`<div class="scroll" tabindex="0" role="region" aria-label="Further metrics"><table class="arms"><thead><tr>
<th scope="col">arm</th><th scope="col">crops</th>${heads([...names, 'calibration error', 'log loss'])}
</tr></thead><tbody>${armRows(arms, (m) =>
    (['kappa', 'auroc', 'auprc', 'ece', 'weightedLogLoss'] as const).map((name) =>
      estimate(m[name], m.intervals[name]),
    ),
  )}</tbody></table></div>`;
}

export function comparisonsTable({ comparisons }: Summary): Markup {
  return markup`<div class="scroll" tabindex="0"><table><thead><tr><th scope="col">balanced accuracy</th>
<th class="number" scope="col">estimate</th><th class="number" scope="col">two-sided</th></tr></thead>
<tbody>${comparisons.map(
    ({ a, b, difference, p }) =>
      markup`<tr><th scope="row">${a} − ${b}</th>${number(signed(difference.value), range(difference, 2, signed))}${number(p === null ? UNDEFINED : pValue(p))}</tr>`,
  )}</tbody></table></div>`;
}

export function localizationTable({ localization }: Summary, published: Published | null): Markup {
  const rows = [...Object.entries(localization.perLevel), ['all levels', localization] as const];
  return markup`<div class="scroll" tabindex="0"><table><thead><tr><th scope="col">level</th><th class="number" scope="col">RMSE px</th>
<th class="number" scope="col">RMSE mm</th><th class="number" scope="col">within 5 mm</th><th class="number" scope="col">within 10 mm</th>
<th class="number" scope="col">discs</th></tr></thead><tbody>${rows.map(
    ([name, error]) => markup`<tr><th scope="row">${name}</th>${number(decimal(error.rmsePx, 2))}
${number(decimal(error.rmseMm, 2))}${number(percent(error.within5Mm, 0))}${number(percent(error.within10Mm, 0))}${number(error.n)}</tr>`,
  )}${
    published &&
    markup`<tr class="published"><th scope="row">published</th>${number(decimal(published.localization.rmsePx, 2))}
${[0, 1, 2, 3].map(() => number(UNDEFINED))}</tr>`
  }</tbody></table></div>`;
}

export function dataTable({ data }: Summary, { grades }: Task): Markup {
  const splits = ['train', 'validation', 'test'] as const;
  return markup`<div class="scroll" tabindex="0"><table><thead><tr><th scope="col">split</th><th class="number" scope="col">studies</th>
${heads(grades.map(({ name }) => name))}<th class="number" scope="col">discs</th></tr></thead>
<tbody>${splits.map((split) => {
    const counts = grades.map(({ name }) => data.classCounts[split][name]!);
    return markup`<tr><th scope="row">${split}</th>${number(data.split[split])}${counts.map((count) => number(count))}
${number(counts.reduce((sum, count) => sum + count, 0))}</tr>`;
  })}</tbody></table></div>`;
}

const LISTED = 40;

/** The number of skipped entries by code, and the first LISTED of them with their messages. */
export function skippedList({ data: { skipped } }: Summary): Markup {
  if (skipped.length === 0) return markup`<p class="small">Nothing was skipped.</p>`;
  const codes = new Map<string, number>();
  for (const { code } of skipped) codes.set(code, (codes.get(code) ?? 0) + 1);
  const rest = skipped.length - LISTED;
  return markup`<p class="small">Skipped: ${[...codes].map(([code, count], i) => markup`${i > 0 && ', '}${count} × <code>${code}</code>`)}.</p>
<details><summary>Files and reasons</summary><ul class="small">${skipped
    .slice(0, LISTED)
    .map(
      ({ path, code, message }) => markup`<li><code>${path}</code>: <code>${code}</code> ${message}</li>`,
    )}</ul>${rest > 0 && markup`<p class="small">${rest} more are listed in <code>summary.json</code>.</p>`}</details>`;
}

export function timingTable({ timing }: Summary): Markup {
  const total = Object.values(timing).reduce((sum, seconds) => sum + seconds, 0);
  return markup`<div class="scroll" tabindex="0"><table><thead><tr><th scope="col">stage</th><th class="number" scope="col">time</th></tr></thead>
<tbody>${[...Object.entries(timing), ['total', total] as const].map(
    ([stage, seconds]) => markup`<tr><th scope="row">${stage}</th>${number(duration(seconds))}</tr>`,
  )}</tbody></table></div>`;
}

function flatten(value: unknown, path: string): [string, string][] {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return Object.entries(value).flatMap(([key, inner]) => flatten(inner, path ? `${path}.${key}` : key));
  }
  return [[path, JSON.stringify(value) ?? String(value)]];
}

export function configTable(config: Record<string, unknown>): Markup {
  return markup`<div class="scroll" tabindex="0"><table class="config"><tbody>${flatten(config, '').map(
    ([key, value]) => markup`<tr><th scope="row"><code>${key}</code></th><td><code>${value}</code></td></tr>`,
  )}</tbody></table></div>`;
}

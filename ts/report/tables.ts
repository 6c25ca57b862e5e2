import { GRADES, LEVELS } from '../data/types.js';
import type { ArmSummary, Interval, Metrics, Summary } from '../evaluation/types.js';
import {
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
import { type Content, type Markup, markup } from './markup.js';
import { PUBLISHED } from './published.js';

/** The tables of the report. */

const number = (value: Content, sub?: Content) =>
  markup`<td class="number">${value}${sub && markup`<span class="sub">${sub}</span>`}</td>`;

const WHISKER = { width: 110, height: 18 };

/** A point and its interval between 0 and 1, with a tick at chance; open for predicted crops. */
function whisker({ value, low, high }: Interval, open: boolean): Markup {
  const x = (share: number) => 5 + share * (WHISKER.width - 10);
  const middle = WHISKER.height / 2;
  return markup`<svg class="whisker" viewBox="0 0 ${WHISKER.width} ${WHISKER.height}" aria-hidden="true">
<path class="axis" d="M${x(0)} ${middle}H${x(1)}" opacity="0.35" /><path class="axis" d="M${x(1 / GRADES.length)} 4V14" />
<path class="bar" d="M${x(low)} ${middle}H${x(high)}" /><circle class="${open ? 'open' : 'point'}" cx="${x(value)}" cy="${middle}" r="4" /></svg>`;
}

function armRow(arm: ArmSummary, crops: 'annotated' | 'predicted'): Markup {
  const m: Metrics = arm[crops];
  const first = crops === 'annotated';
  return markup`<tr class="${first && 'group'}">${first && markup`<th rowspan="2" scope="rowgroup">${arm.name}<span class="sub"></span></th>`}
<td>${crops}</td>${number(decimal(m.balancedAccuracy.value), range(m.balancedAccuracy))}
<td>${whisker(m.balancedAccuracy, !first)}</td>
${GRADES.map((grade) => number(decimal(m.recall[grade], 2)))}
${number(kOfN(m.severeToNormal), m.severeToNormal.n > 0 && [percent(m.severeToNormal.rate), ' (', percentRange(m.severeToNormal), ')'])}
${number(decimal(m.quadraticKappa), range(m.intervals.quadraticKappa))}${number(decimal(m.auroc), range(m.intervals.auroc))}
${number(decimal(m.auprc), range(m.intervals.auprc))}${number(decimal(m.ece), range(m.intervals.ece))}
${number(decimal(m.rsnaLogLoss), range(m.intervals.rsnaLogLoss))}</tr>`;
}

function publishedRow(name: string, accuracy: string, rate: number): Markup {
  return markup`<tr class="published"><th scope="row">${name}</th><td>published</td>${number(accuracy)}<td></td>
${GRADES.map(() => number(UNDEFINED))}${number(percent(rate, 2))}${[0, 1, 2, 3, 4].map(() => number(UNDEFINED))}</tr>`;
}

/** Every arm with annotated and predicted crops, and below it what the paper reports on its own data. */
export function armsTable({ arms }: Summary): Markup {
  const head = ['normal', 'moderate', 'severe'].map(
    (grade) => markup`<th class="number" scope="col">recall ${grade}</th>`,
  );
  return markup`<div class="scroll" tabindex="0" role="region" aria-label="Table of arms"><table class="arms"><thead><tr>
<th scope="col">arm</th><th scope="col">crops</th><th class="number" scope="col">balanced accuracy</th><th scope="col">0 to 1</th>${head}
<th class="number" scope="col">severe called normal</th><th class="number" scope="col">quadratic κ</th>
<th class="number" scope="col">AUROC severe</th><th class="number" scope="col">AUPRC severe</th>
<th class="number" scope="col">ECE</th><th class="number" scope="col">RSNA log loss</th></tr></thead>
<tbody>${arms.map((arm) => [armRow(arm, 'annotated'), armRow(arm, 'predicted')])}
${publishedRow('contrastive', decimal(PUBLISHED.contrastive.balancedAccuracy), PUBLISHED.contrastive.severeToNormalRate)}
${publishedRow('scratch', UNDEFINED, PUBLISHED.scratch.severeToNormalRate)}</tbody></table></div>`;
}

export function comparisonsTable({ comparisons }: Summary): Markup {
  return markup`<div class="scroll"><table><thead><tr><th scope="col">difference of balanced accuracy</th>
<th class="number" scope="col">estimate</th><th class="number" scope="col">95 % interval</th><th class="number" scope="col">two-sided</th></tr></thead>
<tbody>${comparisons.map(
    ({
      a,
      b,
      difference,
      p,
    }) => markup`<tr><th scope="row">${a} − ${b}</th>${number(signed(difference.value))}
${number(range(difference, 3, signed))}${number(pValue(p))}</tr>`,
  )}</tbody></table></div>`;
}

export function localizationTable({ localization }: Summary): Markup {
  const known = LEVELS.filter((level) => level in localization.perLevel);
  const others = Object.keys(localization.perLevel).filter((level) => !(known as string[]).includes(level));
  const rows = [
    ...[...known, ...others].map((level) => [level, localization.perLevel[level]!] as const),
    ['all levels', localization] as const,
  ];
  return markup`<div class="scroll"><table><thead><tr><th scope="col">level</th><th class="number" scope="col">RMSE px</th>
<th class="number" scope="col">RMSE mm</th><th class="number" scope="col">within 5 mm</th><th class="number" scope="col">within 10 mm</th>
<th class="number" scope="col">discs</th></tr></thead><tbody>${rows.map(
    ([name, error]) => markup`<tr><th scope="row">${name}</th>${number(decimal(error.rmsePx, 2))}
${number(decimal(error.rmseMm, 2))}${number(percent(error.within5Mm, 0))}${number(percent(error.within10Mm, 0))}${number(error.n)}</tr>`,
  )}<tr class="published"><th scope="row">published</th>${number(decimal(PUBLISHED.localization.rmsePx, 2))}
${[0, 1, 2, 3].map(() => number(UNDEFINED))}</tr></tbody></table></div>`;
}

export function dataTable({ data }: Summary): Markup {
  const splits = ['train', 'validation', 'test'] as const;
  return markup`<div class="scroll"><table><thead><tr><th scope="col">split</th><th class="number" scope="col">studies</th>
${GRADES.map((grade) => markup`<th class="number" scope="col">${grade}</th>`)}<th class="number" scope="col">discs</th></tr></thead>
<tbody>${splits.map((split) => {
    const counts = GRADES.map((grade) => data.classCounts[split][grade]);
    return markup`<tr><th scope="row">${split}</th>${number(data.split[split])}${counts.map((count) => number(count))}
${number(counts.reduce((sum, count) => sum + count, 0))}</tr>`;
  })}</tbody></table></div>`;
}

const LISTED = 40;

/** What was left out, by code, and the first of it one by one. */
export function skippedList({ data: { skipped } }: Summary): Markup {
  if (skipped.length === 0) return markup`<p class="small">Nothing was left out.</p>`;
  const codes = new Map<string, number>();
  for (const { code } of skipped) codes.set(code, (codes.get(code) ?? 0) + 1);
  const rest = skipped.length - LISTED;
  return markup`<p class="small">Left out: ${[...codes].map(([code, count], i) => markup`${i > 0 && ', '}${count} × <code>${code}</code>`)}.</p>
<details><summary>What and why</summary><ul class="small">${skipped
    .slice(0, LISTED)
    .map(
      ({ path, code, message }) => markup`<li><code>${path}</code>: <code>${code}</code> ${message}</li>`,
    )}</ul>${rest > 0 && markup`<p class="small">and ${rest} more in <code>summary.json</code>.</p>`}</details>`;
}

export function timingTable({ timing }: Summary): Markup {
  const total = Object.values(timing).reduce((sum, seconds) => sum + seconds, 0);
  return markup`<div class="scroll"><table><thead><tr><th scope="col">stage</th><th class="number" scope="col">time</th></tr></thead>
<tbody>${[...Object.entries(timing), ['together', total] as const].map(
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
  return markup`<div class="scroll"><table class="config"><tbody>${flatten(config, '').map(
    ([key, value]) => markup`<tr><th scope="row"><code>${key}</code></th><td><code>${value}</code></td></tr>`,
  )}</tbody></table></div>`;
}

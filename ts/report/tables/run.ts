/** The tables of a run: localization, data, time and settings. */
import type { LocalizationError, RsnaArm, Summary } from '../../evaluation/types.js';
import { decimal, duration, percent, UNDEFINED } from '../format.js';
import { type Markup, markup } from '../markup.js';
import type { Published } from '../published.js';
import { heads, number, table } from './cells.js';

export function localizationTable({ localization }: Summary, published: Published | null): Markup {
  const { perSeries, perLevel } = localization;
  const series = Object.entries(perSeries);
  const row = (name: string, error: LocalizationError, className = '') =>
    markup`<tr class="${className}"><th scope="row">${name}</th>${number(String(error.n))}${number(String(error.found))}
${number(decimal(error.medianMm, 2))}${number(percent(error.within5Mm, 0))}${number(percent(error.within10Mm, 0))}
${number(decimal(error.rmseMm, 2))}${number(decimal(error.rmsePx, 2))}</tr>`;
  return table(
    'Localization',
    markup`<tr><th scope="col">discs</th>${heads(['annotated', 'found', 'median mm', 'within 5 mm', 'within 10 mm', 'RMSE mm', 'RMSE px'])}</tr>`,
    [
      row('all', localization),
      series.length > 1 && series.map(([name, error], i) => row(name, error, i === 0 ? 'group' : '')),
      Object.entries(perLevel).map(([name, error], i) => row(name, error, i === 0 ? 'group' : '')),
      published &&
        markup`<tr class="published"><th scope="row">published</th>${[0, 1, 2, 3, 4, 5].map(() => number(UNDEFINED))}
${number(decimal(published.localization.rmsePx, 2))}</tr>`,
    ],
  );
}

/** The score of the RSNA challenge and its parts, for each arm and kind of crop. */
export function rsnaTable(arms: readonly RsnaArm[]): Markup {
  const parts = ['score', 'spinal', 'foraminal', 'subarticular', 'anySevereSpinal'] as const;
  const names = ['score', 'canal', 'foramina', 'subarticular', 'any severe canal'];
  return table(
    'RSNA score',
    markup`<tr><th scope="col">arm</th><th scope="col">crops</th>${heads(names)}</tr>`,
    arms.flatMap((arm) =>
      (['predicted', 'annotated'] as const).map(
        (crops) => markup`<tr class="${crops === 'predicted' ? 'group' : 'secondary'}">
${crops === 'predicted' && markup`<th rowspan="2" scope="rowgroup">${arm.name}</th>`}<td>${crops}</td>
${parts.map((part) => number(decimal(arm[crops][part])))}</tr>`,
      ),
    ),
  );
}

export function dataTable({ data, tasks }: Summary): Markup {
  const splits = ['train', 'validation', 'test'] as const;
  return markup`${tasks.map(({ task, classCounts }, i) =>
    table(
      `Discs for ${task.title}`,
      markup`<tr><th scope="col">${tasks.length > 1 ? task.title : 'split'}</th>${i === 0 && heads(['studies'])}${heads(task.grades.map(({ name }) => name))}${heads(['discs'])}</tr>`,
      splits.map((split) => {
        const counts = task.grades.map(({ name }) => classCounts[split][name]!);
        return markup`<tr><th scope="row">${split}</th>${i === 0 && number(String(data.split[split]))}${counts.map((count) => number(String(count)))}
${number(String(counts.reduce((sum, count) => sum + count, 0)))}</tr>`;
      }),
    ),
  )}`;
}

const LISTED = 40;

/** The number of entries by code, and the first LISTED of them with their messages. */
function findings(label: string, entries: Summary['data']['skipped']): Markup {
  const codes = new Map<string, number>();
  for (const { code } of entries) codes.set(code, (codes.get(code) ?? 0) + 1);
  const rest = entries.length - LISTED;
  return markup`<p class="small">${label}: ${[...codes].map(([code, count], i) => markup`${i > 0 && ', '}${count} × <code>${code}</code>`)}.</p>
<details><summary>Files and reasons</summary><ul class="small">${entries
    .slice(0, LISTED)
    .map(
      ({ path, code, message }) => markup`<li><code>${path}</code>: <code>${code}</code> ${message}</li>`,
    )}</ul>${rest > 0 && markup`<p class="small">${rest} more are listed in <code>summary.json</code>.</p>`}</details>`;
}

/** What was left out of the data, and what was corrected or assumed. */
export function findingsList({ data: { skipped, notices } }: Summary): Markup {
  return markup`${skipped.length > 0 ? findings('Skipped', skipped) : markup`<p class="small">Nothing was skipped.</p>`}
${notices.length > 0 && findings('Corrected or assumed', notices)}`;
}

export function timingTable({ timing }: Summary): Markup {
  const total = Object.values(timing).reduce((sum, seconds) => sum + seconds, 0);
  return table(
    'Time',
    markup`<tr><th scope="col">stage</th>${heads(['time'])}</tr>`,
    [...Object.entries(timing), ['total', total] as const].map(
      ([stage, seconds]) => markup`<tr><th scope="row">${stage}</th>${number(duration(seconds))}</tr>`,
    ),
  );
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

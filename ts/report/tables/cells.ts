/** Cells and frames that the tables share. */
import { CROPS } from '../../evaluation/predictionsFile.js';
import type { Bounds, Interval, Metrics, Proportion, TaskSummary } from '../../evaluation/types.js';
import { decimal, kOfN, percent, percentRange, range, UNDEFINED } from '../format.js';
import { type Content, type Markup, markup } from '../markup.js';

export const number = (value: Content, sub?: Content) =>
  markup`<td class="number">${value}${sub && markup`<span class="sub">${sub}</span>`}</td>`;

export const estimate = (value: number | null, bounds: Bounds | null) =>
  number(decimal(value), value !== null && (bounds === null ? UNDEFINED : range(bounds)));

export const proportion = (value: Proportion) =>
  number(kOfN(value), value.n > 0 && `${percent(value.rate)} (${percentRange(value)})`);

export const heads = (names: readonly string[]) =>
  names.map((name) => markup`<th class="number" scope="col">${name}</th>`);

/** A table that scrolls sideways on a narrow screen. `head` and `rows` are table rows. */
export const table = (label: string, head: Content, rows: Content, className = '') =>
  markup`<div class="scroll" tabindex="0" role="region" aria-label="${label}"><table class="${className}"><thead>${head}</thead>
<tbody>${rows}</tbody></table></div>`;

const WHISKER = { width: 110, height: 18 };

/** A point and its interval on an axis from 0 to 1, with a tick at chance; the point is open for annotated crops. */
export function whisker({ value, low, high }: Interval, chance: number, open: boolean): Markup {
  const x = (fraction: number) => 5 + fraction * (WHISKER.width - 10);
  const middle = WHISKER.height / 2;
  return markup`<svg class="whisker" viewBox="0 0 ${WHISKER.width} ${WHISKER.height}" aria-hidden="true">
<path class="axis" d="M${x(0)} ${middle}H${x(1)}" opacity="0.35" /><path class="axis" d="M${x(chance)} 4V14" />
${low !== null && high !== null && markup`<path class="bar" d="M${x(low)} ${middle}H${x(high)}" />`}<circle class="${open ? 'open' : 'point'}" cx="${x(value)}" cy="${middle}" r="4" /></svg>`;
}

/** Two rows per arm, for predicted and annotated crops; `cells` follow the names. */
export function armRows(
  { arms }: TaskSummary,
  cells: (metrics: Metrics, predicted: boolean) => Content,
): Markup[] {
  return arms.flatMap((arm) =>
    CROPS.map((crops) => {
      const first = crops === 'predicted';
      return markup`<tr class="${first ? 'group' : 'secondary'}">${
        first && markup`<th rowspan="2" scope="rowgroup">${arm.name}</th>`
      }<td>${crops}</td>${cells(arm[crops], first)}</tr>`;
    }),
  );
}

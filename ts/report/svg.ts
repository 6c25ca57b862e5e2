import { scaleLinear, scaleLog } from 'd3-scale';
import { line } from 'd3-shape';
/**
 * A figure consists of panels of equal width. The page arranges them to fit the screen; an SVG file arranges them in
 * columns. Colours and fonts come from `figureCss` by class, so both follow the reader's light or dark setting.
 */
import type { GradeScale } from '../tasks/task.js';
import { type Content, type Markup, markup } from './markup.js';
import { figureCss } from './style.js';

export const PANEL_WIDTH = 340;
const GAP = 28;

export interface Panel {
  title: string;
  /** Text for screen readers. */
  description: string;
  height: number;
  body: Markup;
}

const HEADER = 26;

function contents({ title, body }: Panel): Markup {
  return markup`<text class="panel-title" x="0" y="13">${title}</text><g transform="translate(0 ${HEADER})">${body}</g>`;
}

/** The panel as an element of the page. */
export function panelElement(panel: Panel): Markup {
  return markup`<svg class="panel" viewBox="0 0 ${PANEL_WIDTH} ${panel.height + HEADER}" role="img"
 aria-label="${`${panel.title}. ${panel.description}`}">${contents(panel)}</svg>`;
}

/**
 * Panels as one SVG file: one array per row; each row is as high as its highest panel.
 *
 * @param scale grades that the figure draws
 */
export function figureFile(title: string, rows: readonly (readonly Panel[])[], scale?: GradeScale): string {
  const columns = Math.max(...rows.map((row) => row.length));
  const width = columns * (PANEL_WIDTH + GAP) + GAP;
  let y = GAP;
  const placed = rows.map((row) => {
    const top = y;
    y += Math.max(...row.map((panel) => panel.height)) + HEADER + GAP;
    return row.map((panel, column) => {
      const x = GAP + column * (PANEL_WIDTH + GAP);
      return markup`<g transform="translate(${x} ${top})">${contents(panel)}</g>`;
    });
  });
  return markup`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${y}" width="${width}" height="${y}">
<title>${title}</title><style>${figureCss(scale)}</style><rect class="paper" width="100%" height="100%" />${placed}</svg>\n`
    .text;
}

export interface Series {
  name: string;
  /** One value per x; null is a gap. */
  values: readonly (number | null)[];
  /** Class that sets the colour and, if any, the dashes. */
  style: string;
  /** Drawn thin and faint, without an entry in the legend. */
  faint?: boolean;
}

export interface LineChart {
  title: string;
  description: string;
  x: readonly number[];
  xLabel: string;
  /** Logarithmic axes with a tick at each x; values must be above 0. */
  logarithmic?: boolean;
  series: readonly Series[];
  /** Default: the range of the values. */
  yDomain?: readonly [number, number];
  /** A vertical line with a label at its top or bottom. */
  mark?: { x: number; label: string; position: 'top' | 'bottom' } | undefined;
  /** A horizontal line with a label. */
  reference?: { y: number; label: string } | undefined;
}

const MARGIN = { left: 46, right: 8, top: 24, bottom: 38 };
const PLOT = { width: PANEL_WIDTH - MARGIN.left - MARGIN.right, height: 150 };

/** Upper bound of a text's width in the usual system fonts at 11 px. */
export const textWidth = (text: string) => text.length * 6.9;

function legend(series: readonly Series[]): Content[] {
  let x = 0;
  return series
    .filter(({ faint }) => !faint)
    .map(({ name, style }) => {
      const left = x;
      x += textWidth(name) + 36;
      return markup`<g transform="translate(${left} 4)"><path class="line ${style}" d="M0 0H18" /><text x="23" y="4">${name}</text></g>`;
    });
}

/** Lines over a common x axis. */
export function lineChart({
  title,
  description,
  x,
  xLabel,
  logarithmic = false,
  series,
  yDomain,
  mark,
  reference,
}: LineChart): Panel {
  const values = series.flatMap((entry) => entry.values).filter((value) => value !== null);
  const low = values.length > 0 ? Math.min(...values) : 0;
  const high = values.length > 0 ? Math.max(...values) : 1;
  const [first, last] = [x[0] ?? 0, x.at(-1) ?? 0];
  const scale = logarithmic ? scaleLog : scaleLinear;
  const xScale = scale([first, last > first ? last : first + 1], [0, PLOT.width]);
  const yScale = scale(yDomain ?? [low, high > low ? high : low + 1], [PLOT.height, 0]);
  if (!yDomain) yScale.nice(5);
  const yFormat = yScale.tickFormat(5);
  const xTicks = logarithmic ? x : xScale.ticks(6).filter((tick) => Number.isInteger(tick) && tick <= last);
  const path = line<number | null>()
    .defined((value) => value !== null)
    .x((_, i) => xScale(x[i]!))
    .y((value) => yScale(value!));
  const body = markup`${legend(series)}<g transform="translate(${MARGIN.left} ${MARGIN.top})">
${yScale.ticks(5).map(
  (tick) => markup`<g transform="translate(0 ${yScale(tick)})"><path class="grid" d="M0 0H${PLOT.width}" />
<text class="tick end" x="-8" y="4">${yFormat(tick)}</text></g>`,
)}
${xTicks.map((tick) => markup`<text class="tick middle" x="${xScale(tick)}" y="${PLOT.height + 16}">${String(tick)}</text>`)}
<path class="axis" d="M0 ${PLOT.height}H${PLOT.width}" />
<text class="tick middle" x="${PLOT.width / 2}" y="${PLOT.height + 33}">${xLabel}</text>
${
  reference &&
  markup`<path class="reference" d="M0 ${yScale(reference.y)}H${PLOT.width}" />
<text class="tick end halo" x="${PLOT.width - 5}" y="${yScale(reference.y) - 5}">${reference.label}</text>`
}
${mark && marker(mark.label, xScale(mark.x), mark.position === 'top' ? 10 : PLOT.height - 6)}
${series.map((entry) => {
  const only = entry.values.length === 1 && entry.values[0] != null;
  return markup`<path class="line ${entry.style} ${entry.faint ? 'faint' : ''}" d="${path(entry.values)}" />
${only && markup`<circle class="dot ${entry.style}" cx="${xScale(first)}" cy="${yScale(entry.values[0]!)}" r="3" />`}`;
})}</g>`;
  return { title, description, height: MARGIN.top + PLOT.height + MARGIN.bottom, body };
}

function marker(label: string, x: number, y: number): Markup {
  const leftwards = x + textWidth(label) + 6 > PLOT.width;
  return markup`<path class="mark" d="M${x} 0V${PLOT.height}" />
<text class="tick halo ${leftwards ? 'end' : ''}" x="${x + (leftwards ? -5 : 5)}" y="${y}">${label}</text>`;
}

/** The text, truncated if it is longer than `length` characters. The ellipsis is as wide as two letters. */
export const abbreviate = (text: string, length: number): string =>
  text.length <= length ? text : `${text.slice(0, length - 2).trimEnd()}…`;

/** A confusion matrix: counts, and each count as a fraction of its row, which also shades the cell. */
export function heatmap(
  counts: readonly (readonly number[])[],
  labels: readonly string[],
  cell: number,
): Markup {
  return markup`${counts.map((row, i) => {
    const total = row.reduce((sum, count) => sum + count, 0);
    return row.map((count, j) => {
      const fraction = total > 0 ? count / total : 0;
      return markup`<g transform="translate(${j * cell} ${i * cell})"><rect class="cell" width="${cell - 2}" height="${cell - 2}" rx="2" />
<rect class="heat" width="${cell - 2}" height="${cell - 2}" rx="2" fill-opacity="${fraction}" />
<text class="middle count ${fraction > 0.85 ? 'on-heat' : ''}" x="${cell / 2 - 1}" y="${cell / 2 - 1}">${count}</text>
<text class="middle fraction ${fraction > 0.85 ? 'on-heat' : ''}" x="${cell / 2 - 1}" y="${cell / 2 + 12}">${total > 0 ? `${Math.round(fraction * 100)} %` : '—'}</text></g>`;
    });
  })}
${labels.map((label, j) => markup`<text class="tick middle" x="${(j + 0.5) * cell - 1}" y="${counts.length * cell + 12}">${label}</text>`)}`;
}

import { scaleLinear, scaleLog } from 'd3-scale';
import { area, line } from 'd3-shape';
/**
 * A figure consists of panels of equal width. The page arranges them to fit the screen; an SVG file arranges them in
 * columns. Colours and fonts come from `figureCss` by class, so both follow the reader's light or dark setting.
 */
import type { Bounds } from '../evaluation/types.js';
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
  /** Default: the x of the chart. */
  x?: readonly number[];
  /** One value per x; null is a gap. */
  values: readonly (number | null)[];
  /** Class that sets the colour and, if any, the dashes. */
  style: string;
  /** Drawn thin and faint, without an entry in the legend. */
  faint?: boolean;
  /** Interval of each value, drawn as a bar; series are then shifted against each other. */
  bounds?: readonly (Bounds | null)[];
  /** Bounds of each value, drawn as an area; the values then have no gap. */
  band?: readonly Bounds[];
}

export interface LineChart {
  title: string;
  description: string;
  x: readonly number[];
  xLabel: string;
  /** Logarithmic axes, with a tick at each x; values on them must be above 0. */
  logarithmic?: 'x' | 'xy';
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

const LEGEND_ROW = 16;

/** The names of the series, in as many rows as they need. */
function legend(series: readonly Series[]): { rows: number; body: Content[] } {
  let x = 0;
  let row = 0;
  const body = series
    .filter(({ faint }) => !faint)
    .map(({ name, style }) => {
      const width = textWidth(name) + 36;
      if (x > 0 && x + width > PANEL_WIDTH) {
        x = 0;
        row++;
      }
      const left = x;
      x += width;
      return markup`<g transform="translate(${left} ${4 + row * LEGEND_ROW})"><path class="line ${style}" d="M0 0H18" /><text x="23" y="4">${name}</text></g>`;
    });
  return { rows: row + 1, body };
}

/** Pixels between the bars of two series. */
const SHIFT = 5;

/** Lines over a common x axis. */
export function lineChart({
  title,
  description,
  x,
  xLabel,
  logarithmic,
  series,
  yDomain,
  mark,
  reference,
}: LineChart): Panel {
  const extremes = series.flatMap(({ values, bounds = [], band = [] }) => [
    ...values,
    ...[...bounds, ...band].flatMap((each) => (each ? [each.low, each.high] : [])),
  ]);
  const values = extremes.filter((value) => value !== null);
  const low = values.length > 0 ? Math.min(...values) : 0;
  const high = values.length > 0 ? Math.max(...values) : 1;
  const axes = series.map((entry) => entry.x ?? x);
  const ends = [x, ...axes].flatMap((axis) => (axis.length > 0 ? [axis[0]!, axis.at(-1)!] : []));
  const [first, last] = ends.length > 0 ? [Math.min(...ends), Math.max(...ends)] : [0, 0];
  const inset = series.some(({ bounds }) => bounds) ? SHIFT * (series.length / 2 + 1) : 0;
  const xScale = (logarithmic ? scaleLog : scaleLinear)(
    [first, last > first ? last : first + 1],
    [inset, PLOT.width - inset],
  );
  const yScale = (logarithmic === 'xy' ? scaleLog : scaleLinear)(
    yDomain ?? [low, high > low ? high : low + 1],
    [PLOT.height, 0],
  );
  if (!yDomain) yScale.nice(5);
  const yFormat = yScale.tickFormat(5);
  const xTicks = logarithmic ? x : xScale.ticks(6).filter((tick) => Number.isInteger(tick) && tick <= last);
  const pathOf = (axis: readonly number[], values: readonly (number | null)[]) =>
    line<number | null>()
      .defined((value) => value !== null)
      .x((_, i) => xScale(axis[i]!))
      .y((value) => yScale(value!))(values);
  const areaOf = (axis: readonly number[], band: readonly Bounds[]) =>
    area<Bounds>()
      .x((_, i) => xScale(axis[i]!))
      .y0(({ low }) => yScale(low))
      .y1(({ high }) => yScale(high))(band);
  const names = legend(series);
  const top = MARGIN.top + (names.rows - 1) * LEGEND_ROW;
  const body = markup`${names.body}<g transform="translate(${MARGIN.left} ${top})">
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
${series.map((entry, index) => {
  const only = entry.values.length === 1 && entry.values[0] != null;
  const axis = axes[index]!;
  const shift = entry.bounds ? SHIFT * (index - (series.length - 1) / 2) : 0;
  return markup`<g transform="translate(${shift} 0)">${entry.band && markup`<path class="band ${entry.style}" d="${areaOf(axis, entry.band)}" />`}
<path class="line ${entry.style} ${entry.faint ? 'faint' : ''}" d="${pathOf(axis, entry.values)}" />
${only && !entry.bounds && markup`<circle class="dot ${entry.style}" cx="${xScale(first)}" cy="${yScale(entry.values[0]!)}" r="3" />`}
${entry.bounds?.map((bounds, i) => point(xScale(axis[i]!), entry.values[i] ?? null, bounds, yScale, entry.style))}</g>`;
})}</g>`;
  return { title, description, height: top + PLOT.height + MARGIN.bottom, body };
}

/** A value and its interval. */
function point(
  x: number,
  value: number | null,
  bounds: Bounds | null,
  yScale: (value: number) => number,
  style: string,
): Content {
  if (value === null) return null;
  return markup`${bounds && markup`<path class="interval ${style}" d="M${x} ${yScale(bounds.low)}V${yScale(bounds.high)}" />`}
<circle class="dot ${style}" cx="${x}" cy="${yScale(value)}" r="3" />`;
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

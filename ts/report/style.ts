/**
 * Style sheets. Colours by Okabe and Ito ("Color universal design", 2008), distinct with every common colour vision. In
 * dark mode sky blue replaces blue. System fonts and tabular figures; nothing is loaded.
 */
import type { GradeScale } from '../tasks/task.js';
import { Markup } from './markup.js';

const NOMINAL_COLOURS = ['blue', 'orange', 'green', 'vermillion', 'purple', 'sky'];

/** Colours of ordered grades by their position on a scale from 0 to 1; colours in between are mixed. */
const ORDERED_COLOURS = [
  { position: 0, name: 'blue' },
  { position: 0.25, name: 'green' },
  { position: 0.5, name: 'orange' },
  { position: 1, name: 'vermillion' },
];

const DASHES = ['none', '6 3', '2 3', '8 3 2 3', '1 4', '10 4'];

function orderedColour(position: number): string {
  const above = ORDERED_COLOURS.findIndex((colour) => colour.position >= position);
  const to = ORDERED_COLOURS[above]!;
  if (to.position === position) return `var(--${to.name})`;
  const from = ORDERED_COLOURS[above - 1]!;
  const percent = Math.round((100 * (position - from.position)) / (to.position - from.position));
  return `color-mix(in oklab, var(--${to.name}) ${percent}%, var(--${from.name}))`;
}

/** One rule per grade: the colour for every mark and the dashes for lines, inside of `scope`. */
function gradeRules({ grades, ordered }: GradeScale, scope: string): string {
  return grades
    .map((_, grade) => {
      const colour = ordered
        ? orderedColour(grade / (grades.length - 1))
        : `var(--${NOMINAL_COLOURS[grade % NOMINAL_COLOURS.length]})`;
      const dashes = DASHES[grade % DASHES.length];
      return `${scope}.grade-${grade} { --grade: ${colour}; } ${scope}.line.grade-${grade} { stroke-dasharray: ${dashes}; }\n`;
    })
    .join('');
}

/** The class of an element whose grades are those of task number `index` of the page. */
export const scaleClass = (index: number) => `scale-${index}`;

const FAINT = 'svg .line.line.line.faint { stroke-width: 1; stroke-dasharray: none; opacity: .4; }\n';

/** The style of a figure as a file; `scale` adds the colours of its grades. */
export const figureCss = (scale?: GradeScale): Markup =>
  new Markup(`${FIGURE_CSS}${scale ? gradeRules(scale, '') : ''}${FAINT}`);

/** The style of the figures of a page; the colours of a task's grades hold inside of its `scaleClass`. */
export const pageFigureCss = (scales: readonly GradeScale[]): Markup =>
  new Markup(
    `${FIGURE_CSS}${scales.map((scale, i) => gradeRules(scale, `.${scaleClass(i)} `)).join('')}${FAINT}`,
  );

const FIGURE_CSS = `
:root { --paper: #fff; --ink: #1a1d21; --muted: #59626d; --rule: #d5dae0; --grid: #eaedf0; --soft: #f5f7f9;
  --blue: #0072b2; --orange: #e69f00; --vermillion: #d55e00; --green: #009e73; --purple: #cc79a7; --sky: #56b4e9; --heat: #0072b2; --on-heat: #fff;
  color-scheme: light dark; }
@media (prefers-color-scheme: dark) { :root { --paper: #14171a; --ink: #e5e8eb; --muted: #9ba5b0; --rule: #353c44;
  --grid: #262b31; --soft: #1c2025; --blue: #56b4e9; --vermillion: #ec7226; --green: #2fbf94; --heat: #1c7fb8; } }
svg text { font: 11px system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif;
  font-variant-numeric: tabular-nums; fill: var(--ink); }
svg .panel-title { font-size: 13px; font-weight: 600; }
svg .tick, svg .note { fill: var(--muted); }
svg .middle { text-anchor: middle; } svg .end { text-anchor: end; }
svg .bold { font-weight: 600; }
svg .halo { paint-order: stroke; stroke: var(--paper); stroke-width: 3px; stroke-linejoin: round; }
svg .paper { fill: var(--paper); }
svg .grid { stroke: var(--grid); } svg .axis { stroke: var(--muted); }
svg .reference { stroke: var(--muted); stroke-dasharray: 2 3; } svg .mark { stroke: var(--ink); stroke-dasharray: 4 3; }
svg .line { fill: none; stroke: var(--grade, var(--blue)); stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
svg .band { fill: var(--grade, var(--blue)); opacity: .14; }
svg .dot { fill: var(--grade, var(--blue)); } svg .interval { stroke: var(--grade, var(--blue)); stroke-width: 1.5; }
svg .second { --grade: var(--vermillion); stroke-dasharray: 6 3; }
.ungraded { --grade: var(--muted); }
svg .symbol { fill: var(--grade); }
svg .cell { fill: var(--soft); } svg .heat { fill: var(--heat); }
svg .count { font-size: 13px; font-weight: 600; } svg .fraction { font-size: 10px; } svg .on-heat { fill: var(--on-heat); }
svg .segment { fill: var(--grade); }
svg .on-image { --blue: #56b4e9; --orange: #e69f00; --vermillion: #ff7f32; --muted: #d0d0d0; }
svg .on-image .symbol { stroke: #000; stroke-width: 1; }
svg .on-image text { fill: #fff; paint-order: stroke; stroke: #000; stroke-width: 2.5px; stroke-linejoin: round; font-size: 10.5px; }
svg .outline, svg .ring, svg .cross { fill: none; stroke: var(--grade); }
svg .outline { stroke-width: 1; opacity: .75; }
svg .ring { stroke-width: 2; } svg .cross { stroke-width: 2; stroke-linecap: round; }
svg .ring { stroke: var(--grade, #fff); } svg .found { stroke: var(--orange); } svg .link { stroke: var(--orange); stroke-width: 1.5; fill: none; }
svg .under { stroke: #000; stroke-width: 4; opacity: .7; fill: none; stroke-linecap: round; }
`;

export const PAGE_CSS = new Markup(`
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); overflow-wrap: break-word;
  font: 16px/1.55 system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif; }
main, .banner > div { max-width: 1160px; margin: 0 auto; padding: 0 24px; }
h1 { font-size: 30px; line-height: 1.2; letter-spacing: -.015em; margin: 44px 0 6px; }
h2 { font-size: 20px; letter-spacing: -.01em; margin: 60px 0 10px; padding-top: 14px; border-top: 1px solid var(--rule); }
h3 { font-size: 15px; margin: 28px 0 8px; }
p { max-width: 74ch; margin: 0 0 12px; }
.lead, .caption, .small { color: var(--muted); } .caption, .small { font-size: 14px; }
.banner { background: #f0e442; color: #000; padding: 16px 0; border-bottom: 8px solid;
  border-image: repeating-linear-gradient(-45deg, #000 0 14px, #f0e442 14px 28px) 8;
  print-color-adjust: exact; -webkit-print-color-adjust: exact; }
.banner strong { display: block; font-size: 21px; letter-spacing: .01em; }
.banner p { margin: 2px 0 0; max-width: 90ch; font-size: 15px; }
.tiles { display: flex; flex-wrap: wrap; gap: 1px; margin: 28px 0 8px;
  background: var(--rule); border: 1px solid var(--rule); border-radius: 6px; overflow: hidden; }
.tiles > div { background: var(--paper); padding: 16px 18px; flex: 1 1 230px; }
.tiles dt { font-size: 13px; color: var(--muted); } .tiles dd { margin: 0; }
.tiles .value { font-size: 27px; font-weight: 600; letter-spacing: -.02em; line-height: 1.3; font-variant-numeric: tabular-nums; }
.tiles .detail { font-size: 13px; color: var(--muted); }
figure { margin: 22px 0 36px; } figcaption { font-size: 14px; color: var(--muted); max-width: 92ch; margin-top: 14px; }
figcaption b { color: var(--ink); }
.panels { display: grid; gap: 30px 36px; grid-template-columns: minmax(0, 1fr); }
.panel { display: block; width: 100%; max-width: 400px; height: auto; }
@media (min-width: 720px) { .panels { grid-template-columns: repeat(2, minmax(0, 1fr)); } }
@media (min-width: 1040px) { .panels { grid-template-columns: repeat(3, minmax(0, 1fr)); }
  .panels.by-arm { grid-auto-flow: column; grid-template-rows: repeat(4, auto); } }
.scroll { overflow-x: auto; margin: 14px 0; }
table { border-collapse: collapse; font-size: 14px; font-variant-numeric: tabular-nums; line-height: 1.4; }
th, td { text-align: left; padding: 7px 18px 7px 0; vertical-align: top; border-bottom: 1px solid var(--grid); }
thead th { color: var(--muted); font-weight: 500; font-size: 13px; vertical-align: bottom; border-bottom: 1px solid var(--rule); }
tbody th { font-weight: 600; white-space: nowrap; } tr.group > * { border-top: 1px solid var(--rule); }
td.number, th.number { text-align: right; } td.number { white-space: nowrap; } .sub { display: block; font-weight: 400; font-size: 12px; color: var(--muted); white-space: nowrap; }
tr.secondary > td { color: var(--muted); } tr.published > * { background: var(--soft); font-style: italic; } tr.published > :first-child { padding-left: 10px; }
a { color: inherit; text-decoration-color: var(--muted); text-underline-offset: 3px; }
.arms { width: 100%; } .arms th, .arms td { padding-right: 14px; } .arms :is(th, td):last-child { padding-right: 0; }
.whisker { width: 110px; height: 18px; display: block; } .whisker .bar { stroke: var(--blue); stroke-width: 2; }
.whisker .point { fill: var(--blue); } .whisker .open { fill: var(--paper); stroke: var(--blue); stroke-width: 2; }
.columns { display: grid; gap: 8px 56px; } .columns > * { min-width: 0; }
@media (min-width: 860px) { .columns { grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); } }
code { font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; overflow-wrap: anywhere; }
.config td, .config th { font-weight: 400; padding-top: 3px; padding-bottom: 3px; }
details > summary { cursor: pointer; color: var(--muted); font-size: 14px; margin: 8px 0; }
footer { margin: 64px 0 40px; padding-top: 14px; border-top: 1px solid var(--rule); color: var(--muted); font-size: 13px; }
@media (max-width: 560px) { main, .banner > div { padding: 0 18px; } h1 { font-size: 25px; margin-top: 30px; } }
@page { margin: 14mm 12mm; }
@media print { :root { --paper: #fff; --ink: #000; --muted: #444; --rule: #bbb; --grid: #e5e5e5; --soft: #f4f4f4; --blue: #0072b2;
  --vermillion: #d55e00; --heat: #0072b2; }
  body { font-size: 10pt; } .caption, .small, figcaption { font-size: 8.5pt; max-width: none; } h2 { margin-top: 28px; } h2, h3 { break-after: avoid; } .panel, tr, .tiles { break-inside: avoid; } figcaption { break-before: avoid; }
  .tiles { print-color-adjust: exact; -webkit-print-color-adjust: exact; } main { padding: 0; max-width: none; }
  .panels { grid-template-columns: repeat(3, minmax(0, 1fr)); gap: 18px; }
  .panels.by-arm { grid-auto-flow: column; grid-template-rows: repeat(4, auto); }
  .scroll { overflow: visible; } table { font-size: 8.5pt; } .arms :is(th, td) { padding-right: 9px; } thead th { font-size: 8pt; }
  .sub { font-size: 7pt; } .whisker { width: 64px; } }
`);

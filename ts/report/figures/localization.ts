/** Test slices with annotated and found disc centres. */
import { type Markup, markup } from '../markup.js';
import { abbreviate, PANEL_WIDTH, type Panel } from '../svg.js';
import type { LocalizationExample } from '../types.js';
import { placeSlice, toPanel } from './rois.js';

type Disc = LocalizationExample['discs'][number];

function marks({ level, annotated, found, errorMm }: Disc, scale: number): Markup {
  const [x, y] = [toPanel(annotated[0], scale), toPanel(annotated[1], scale)];
  const [u, v] = found ? [toPanel(found[0], scale), toPanel(found[1], scale)] : [x, y];
  const cross = `M${u - 5} ${v - 5}l10 10m0 -10l-10 10`;
  return markup`<circle class="under" cx="${x}" cy="${y}" r="7" /><circle class="ring" cx="${x}" cy="${y}" r="7" />
${
  found &&
  markup`<path class="under" d="${cross}M${x} ${y}L${u} ${v}" /><path class="cross found" d="${cross}" /><path class="link" d="M${x} ${y}L${u} ${v}" />`
}<text class="end" x="${PANEL_WIDTH - 7}" y="${y + 4}">${level}: ${errorMm === null ? 'not found' : `${errorMm.toFixed(1)} mm`}</text>`;
}

export function localizationPanel({ studyId, series, slice, doubts, discs }: LocalizationExample): Panel {
  const { image, scale, height } = placeSlice(slice);
  const errors = discs.map(({ level, errorMm }) => `${level} ${errorMm?.toFixed(1) ?? 'not found'}`);
  return {
    title: abbreviate(`Study ${studyId}, ${series}${doubts.length > 0 ? ', doubtful' : ''}`, 44),
    description: `Errors in mm: ${errors.join(', ')}.`,
    height,
    body: markup`<svg width="${PANEL_WIDTH}" height="${height}" class="on-image">${image}${discs.map((disc) => marks(disc, scale))}</svg>`,
  };
}

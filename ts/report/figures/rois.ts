/** Slices with the annotated disc centres, and the crops that the networks receive. */
import type { GradeScale } from '../../tasks/task.js';
import { gradeClass, gradeName, gradeSymbol } from '../grades.js';
import { pngDataUri } from '../image.js';
import { type Markup, markup } from '../markup.js';
import { PANEL_WIDTH, type Panel } from '../svg.js';
import type { ReportImage, RoiExample } from '../types.js';

const GAP = 7;

/** A slice across the panel's width, and the scale from its pixels to the panel's units. */
export function placeSlice(slice: ReportImage): { image: Markup; scale: number; height: number } {
  const scale = PANEL_WIDTH / slice.width;
  const height = slice.height * scale;
  const image = markup`<image href="${pngDataUri(slice)}" width="${PANEL_WIDTH}" height="${height}" />`;
  return { image, scale, height };
}

/** From pixels (the centre of the first pixel is 0) to the units of the panel. */
export const toPanel = (pixel: number, scale: number) => (pixel + 0.5) * scale;

/** The level's name at the posterior edge of the image, away from the discs. */
export const levelLabel = (level: string, y: number): Markup =>
  markup`<text class="end" x="${PANEL_WIDTH - 7}" y="${y + 4}">${level}</text>`;

export function roiPanel(grades: GradeScale, { studyId, slice, roiSide, discs }: RoiExample): Panel {
  const { image, scale, height } = placeSlice(slice);
  const side = (PANEL_WIDTH - GAP * (discs.length - 1)) / discs.length;
  const marks = discs.map((disc) => {
    if (disc.centre === null) return markup``;
    const [x, y] = [toPanel(disc.centre[0], scale), toPanel(disc.centre[1], scale)];
    const half = ((roiSide ?? 0) * scale) / 2;
    return markup`<g class="${gradeClass(disc.grade)}">
${roiSide && markup`<rect class="outline" x="${x - half}" y="${y - half}" width="${2 * half}" height="${2 * half}" />`}
${gradeSymbol(disc.grade, x, y, 60)}${levelLabel(disc.level, y)}</g>`;
  });
  const crops = discs.map(
    (disc, i) => markup`<g transform="translate(${i * (side + GAP)} ${height + 10})">
<image href="${pngDataUri(disc.roi)}" width="${side}" height="${side}" preserveAspectRatio="none" />
<text class="middle" x="${side / 2}" y="${side + 15}">${disc.level}</text>
${gradeSymbol(disc.grade, side / 2, side + 26)}</g>`,
  );
  return {
    title: `Study ${studyId}`,
    description: `Annotated slice: ${discs.map((disc) => `${disc.level} ${gradeName(grades, disc.grade)}`).join(', ')}.`,
    height: height + side + 46,
    body: markup`<svg width="${PANEL_WIDTH}" height="${height}" class="on-image">${image}${marks}</svg>${crops}`,
  };
}

/** The maps of the embeddings, one panel per arm. */
import { scaleLinear } from 'd3-scale';
import { count, decimal, UNDEFINED } from '../../report/format.js';
import { gradeSymbol } from '../../report/grades.js';
import { type Markup, markup } from '../../report/markup.js';
import { PANEL_WIDTH, type Panel } from '../../report/svg.js';
import { heads, number, table } from '../../report/tables/cells.js';
import type { EmbeddingMap } from '../embeddingMaps.js';
import { NEIGHBOURS } from '../neighbours.js';
import type { StudySummary } from '../types.js';

const INSET = 8;
const AREA = 30;

/**
 * @param title of the colours
 * @param classOf index of a disc in the scale of the figure; null: grey
 */
export function embeddingPanels(
  maps: readonly EmbeddingMap[],
  title: string,
  classOf: (disc: EmbeddingMap['discs'][number]) => number | null,
): Panel[] {
  return maps.map(({ arm, fold, discs, places }) => {
    const scale = (axis: 0 | 1) => {
      const values = places.map((place) => place[axis]);
      return scaleLinear([Math.min(...values), Math.max(...values)], [INSET, PANEL_WIDTH - INSET]);
    };
    const [x, y] = [scale(0), scale(1)];
    return {
      title: `${arm}: ${title}`,
      description: `Map of the embeddings of ${count(discs.length, 'test disc')} of fold ${fold}.`,
      height: PANEL_WIDTH,
      body: markup`<rect class="cell" width="${PANEL_WIDTH}" height="${PANEL_WIDTH}" rx="3" />
${places.map((place, i) => gradeSymbol(classOf(discs[i]!), x(place[0]), y(place[1]), AREA))}`,
    };
  });
}

/** How often the nearest discs of other patients have the same grade or scanner. */
export function neighboursTable(embeddings: StudySummary['embeddings']): Markup {
  const cell = (agreement: StudySummary['embeddings'][number]['grades']) =>
    agreement === null
      ? number(UNDEFINED)
      : number(decimal(agreement.observed, 2), `chance ${decimal(agreement.chance, 2)}`);
  return table(
    'Neighbours',
    markup`<tr><th scope="col">arm</th>${heads(['test discs', 'same grade', 'same scanner'])}</tr>`,
    embeddings.map(
      ({ arm, fold, discs, grades, scanners }) =>
        markup`<tr><th scope="row">${arm}</th>${number(String(discs), `fold ${fold}`)}${cell(grades)}${cell(scanners)}</tr>`,
    ),
  );
}

export const NEIGHBOURS_CAPTION = `Fraction of the ${NEIGHBOURS} nearest discs of other patients, by the cosine of the embeddings, that have the grade or the
scanner of the disc; chance: of all discs of other patients. A map keeps near discs near; its axes and large distances mean nothing.`;

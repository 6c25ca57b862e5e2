/** The section on the localizer. */
import type { Summary } from '../evaluation/types.js';
import type { Figure } from './document.js';
import { count, decimal, kOfN, percent, percentRange } from './format.js';
import { type Markup, markup } from './markup.js';
import type { Published } from './published.js';
import type { Panel } from './svg.js';
import { localizationTable } from './tables/run.js';
import { tile } from './taskSection.js';

/** The headline number of the localizer. */
export function localizationTile({ localization: { medianMm, within5Mm, patientsNamed } }: Summary): Markup {
  return tile('localization, median error', `${decimal(medianMm, 1)} mm`, [
    `${percent(within5Mm, 0)} of the discs within 5 mm; levels right in ${kOfN(patientsNamed)} patients`,
  ]);
}

export function localizationSection(
  summary: Summary,
  panels: readonly Panel[],
  published: Published | null,
  figure: Figure,
): Markup {
  const { anyLevel, patientsNamed, slices } = summary.localization;
  return markup`<section id="localization"><h2>Localization</h2>
<dl class="tiles">${localizationTile(summary)}${tile(
    'any disc, median error',
    `${decimal(anyLevel.medianMm, 1)} mm`,
    [`${percent(anyLevel.within5Mm, 0)} within 5 mm; the nearest found disc, whatever its level`],
  )}${tile('patients with right levels', kOfN(patientsNamed), [
    `${percent(patientsNamed.rate)}; 95 %: ${percentRange(patientsNamed)}`,
  ])}${tile('wrong slices that were doubted', `${slices.wrongDoubtful} of ${slices.wrong}`, [
    `mean error above 5 mm; false alarms: ${slices.rightDoubtful} of ${slices.right}`,
  ])}</dl>
${localizationTable(summary, published)}
<p class="caption">Euclidean distance between annotated disc centres and the found discs of the same level, on test patients. A disc
that was not found counts as not within 5 or 10 mm; RMSE is over the found discs. RMSE px: pixels of the original image. A patient's
levels are right if each found disc near an annotated one has its level.${
    published && markup` The row in italics is published (${published.citation}).`
  }</p>
<h3>Largest errors</h3>
${figure(
  panels,
  `Test slices with the largest mean errors. Ring: annotated centre. Cross: found centre of the same level, with its distance.
${count(slices.wrong, 'slice')} of ${slices.wrong + slices.right} had a mean error above 5 mm.`,
)}</section>`;
}

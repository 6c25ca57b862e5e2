import { MIN_PATIENTS } from '../evaluation/bootstrap.js';
import type { Summary } from '../evaluation/types.js';
import { EMA_DECAY } from './figures/finetuning.js';
import { count, decimal, kOfN, percent, percentRange, pValue, range, signed } from './format.js';
import { chance, missingGrades } from './grades.js';
import { type Content, type Markup, markup } from './markup.js';
import { PUBLISHED } from './published.js';
import type { Figures } from './report.js';
import { FIGURE_CSS, PAGE_CSS } from './style.js';
import { type Panel, panelElement } from './svg.js';
import {
  armsTable,
  comparisonsTable,
  configTable,
  dataTable,
  furtherMetricsTable,
  localizationTable,
  skippedList,
  timingTable,
} from './tables.js';
import type { ReportInput } from './types.js';

/** The page: one column, figures first, no script; the policy in its head forbids loading anything. */

const BANNER = markup`<div class="banner" role="note"><div><strong>SYNTHETIC DATA</strong>
<p>Every image in this run was computed from a phantom. The numbers show that the pipeline works and how the arms compare on
phantoms; they say nothing about patients and cannot be set against published results.</p></div></div>`;

function tile(label: string, value: string, detail: Content): Markup {
  return markup`<div><dt>${label}</dt><dd class="value">${value}</dd><dd class="detail">${detail}</dd></div>`;
}

function tiles({ arms, comparisons, localization }: Summary): Markup {
  const arm = arms.find(({ name }) => name === 'contrastive') ?? arms[0];
  const comparison = comparisons.find(({ a, b }) => a === 'contrastive' && b === 'scratch') ?? comparisons[0];
  return markup`<dl class="tiles">${
    arm && [
      tile(`balanced accuracy, ${arm.name}`, decimal(arm.annotated.balancedAccuracy.value), [
        `95 %: ${range(arm.annotated.balancedAccuracy)}; chance ${decimal(chance(arm.annotated), 2)}`,
      ]),
      tile('severe called normal', kOfN(arm.annotated.severeToNormal), [
        `${percent(arm.annotated.severeToNormal.rate)}; 95 %: ${percentRange(arm.annotated.severeToNormal)}`,
      ]),
    ]
  }${
    comparison &&
    tile(
      `balanced accuracy, ${comparison.a} − ${comparison.b}`,
      signed(comparison.difference.value),
      `95 %: ${range(comparison.difference, 2, signed)}${comparison.p === null ? '' : `; ${pValue(comparison.p)}`}`,
    )
  }${tile('localization RMSE', `${decimal(localization.rmseMm, 1)} mm`, [
    `${decimal(localization.rmsePx, 1)} px of the original image; ${count(localization.n, 'disc')}`,
  ])}</dl>`;
}

/** A numbered figure; without panels it is left out, and says why. */
function figure(number: number, panels: readonly Panel[], caption: Content, className = ''): Markup {
  if (panels.length === 0)
    return markup`<p class="small">Figure ${number} is left out: the run gave nothing to draw.</p>`;
  return markup`<figure id="figure-${number}"><div class="panels ${className}">${panels.map(panelElement)}</div>
<figcaption><b>Figure ${number}.</b> ${caption}</figcaption></figure>`;
}

const SYMBOLS = 'Circle: normal; triangle: moderate; square: severe.';

export function renderPage({ name, summary, config }: ReportInput, figures: Figures): string {
  const { data, arms } = summary;
  const noun = data.synthetic ? 'synthetic studies' : 'studies';
  const missing = arms[0] ? missingGrades(arms[0].annotated) : null;
  const title = `${name}: lumbar canal stenosis, ${data.synthetic ? 'synthetic data' : 'RSNA 2024 data'}`;
  const incomparable = data.synthetic
    ? 'It is measured on other data (real patients) and is not comparable with this run.'
    : 'Its split is not public, so the test patients differ: a comparison is a rough one.';
  return markup`<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8" /><meta name="viewport" content="width=device-width, initial-scale=1" />
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'" />
<title>${title}</title><style>${FIGURE_CSS}${PAGE_CSS}</style></head><body>
${data.synthetic && BANNER}<main>
<h1>${name}</h1>
<p class="lead">Grading of central canal stenosis at five lumbar levels from sagittal T2 MRI: ${arms.length} graders, tested on
${data.split.test} of ${data.studies} ${noun} that no training step has seen. Preset ${summary.preset}, seed ${summary.seed},
device ${summary.device}.</p>
${tiles(summary)}
${missing && markup`<p class="caption"><strong>${missing}</strong></p>`}

<h2>Arms</h2>
${armsTable(summary)}
<p class="caption">Test set. Annotated crops are centred on the readers' coordinates, predicted crops on those of the localizer. Small
print: 95 % intervals, by bootstrap over patients; for severe called normal, by Wilson, as if
discs of one patient were independent. The bootstrap is silent where fewer than
${MIN_PATIENTS} patients have a disc of the grade, or of one of the grades that enter. In the plot the dot is balanced accuracy (open:
predicted crops), the bar its interval, the tick chance. The rows in italics are published (${PUBLISHED.citation}). ${incomparable}
The two published rates are what 2 and 5 of 94 discs come to.</p>
${
  summary.comparisons.length > 0 &&
  markup`<h3>Differences between arms</h3>${comparisonsTable(summary)}
<p class="caption">Annotated crops, paired bootstrap: both arms see the same resampled patients.</p>`
}
<h3>Agreement, ranking and calibration</h3>
${furtherMetricsTable(summary)}
<p class="caption">κ: Cohen's kappa with quadratic weights. AUROC and AUPRC: severe against the rest; chance is 0.5 and the share of
severe discs. Calibration error: expected, 15 bins, confidence of the called grade. RSNA log loss: weights 1, 2, 4 by grade.</p>

<h2>What the networks see</h2>
${figure(
  1,
  figures.rois.flat(),
  `Sagittal slices with the annotated disc centres, the outline of each crop, and the five crops below: for
each grade a training study that has it. ${SYMBOLS}`,
)}

<h2>Pretraining</h2>
${figure(2, figures.pretraining.flat(), 'Contrastive pretraining: loss on training and validation patients, and the learning rate, by epoch.')}

<h2>Fine-tuning</h2>
${figure(
  3,
  figures.finetuning[0]
    ? figures.finetuning[0].flatMap((_, column) => figures.finetuning.map((row) => row[column]!))
    : [],
  `Fine-tuning of each arm on validation patients: every epoch (thin) and its exponential moving average with a decay of
${EMA_DECAY} (thick); the dashed line is the epoch that was selected by balanced accuracy. Below, the selected epoch on the test patients:
discs, and shares of each row.`,
  'by-arm',
)}

<h2>Predictions</h2>
${figure(
  4,
  figures.predictions.flat(),
  `Test series. Ring: the readers' disc centre and grade; cross: the localizer's centre and the grade of the model on the
crop around it. The bar splits into the probabilities of normal, moderate and severe, the number is that of the called grade; ≠ marks a disagreement. ${SYMBOLS}`,
)}
<h3>Localization</h3>
${localizationTable(summary)}
<p class="caption">Euclidean distance between predicted and annotated disc centres on the test patients, in pixels of the original image and in mm.
The row in italics is published (${PUBLISHED.citation}). ${incomparable}</p>

<h2>Data, time and settings</h2>
<div class="columns"><section><h3>Discs by split and grade</h3>${dataTable(summary)}
<p class="small">${data.discs} graded discs of ${data.studies} ${noun}, split by patient.</p>${skippedList(summary)}</section>
<section><h3>Time</h3>${timingTable(summary)}</section></div>
<details><summary>All settings of the run</summary>${configTable(config)}</details>
<footer>For research. Not a medical device; not for diagnosis.</footer>
</main></body></html>
`.text;
}

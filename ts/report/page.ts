/** The page of a run: results first. */
import { MIN_PATIENTS } from '../evaluation/bootstrap.js';
import type { Summary } from '../evaluation/types.js';
import { documentPage, listed, numberedFigures, programText } from './document.js';
import { count } from './format.js';
import { extremeError, symbolLegend } from './grades.js';
import { localizationSection, localizationTile } from './localizationSection.js';
import { markup } from './markup.js';
import { publishedFor } from './published.js';
import { scaleClass } from './style.js';
import type { Panel } from './svg.js';
import { configTable, dataTable, findingsList, rsnaTable, timingTable } from './tables/run.js';
import { overviewTable } from './tables/task.js';
import { otherSlice, type TaskPanels, taskAnchor, taskSection, taskTiles } from './taskSection.js';
import type { ReportInput } from './types.js';

/** The panels of all figures, by rows as in the files of `figures/`. */
export interface Figures {
  run: Record<'pretraining' | 'localization', Panel[][]>;
  /** In the order of the tasks. */
  tasks: TaskPanels[];
}

function provenance({ program, data, preset, seed, device }: Summary): string {
  return (
    `Data set ${data.name} (layout ${data.layout}), preset ${preset}, seed ${seed}, device ${device}. ` +
    programText(program)
  );
}

/** How to read the numbers. `extreme` names the error whose interval is Wilson's. */
const reading = (
  extreme: string | null,
) => markup`<p class="caption">Predicted crops are centred on the disc centres that the
localizer found: this is what a user gets. Annotated crops are centred on the readers' coordinates and measure the graders alone.
Headlines are those of predicted crops. Small print: 95 % intervals. They are bootstrap intervals over patients${
  extreme &&
  markup`, except for ${extreme}: those are Wilson intervals, which treat the discs of one patient as independent`
}. No bootstrap interval is given if fewer than ${MIN_PATIENTS} patients have a disc of the grade, or of one of the grades that the
number depends on. In the plots, the dot is the balanced accuracy (open: annotated crops), the bar is its interval and the tick is
chance. Differences use a paired bootstrap: both arms are evaluated on the same resampled patients.</p>`;

export function renderPage(input: ReportInput, figures: Figures): string {
  const { name, summary, notice, arms: about, config } = input;
  const { data, tasks } = summary;
  const [first] = tasks;
  if (first === undefined) throw new RangeError('renderPage: the summary has no task');
  const only = tasks.length === 1;
  const titles = listed(tasks.map(({ task }) => task.title));
  const published = tasks.map(({ task }) => publishedFor(task, data));
  const studies = data.synthetic ? 'synthetic studies' : 'studies';
  const extreme = only ? extremeError(first.task) : 'the last grade predicted as the first';
  const figure = numberedFigures();
  const comparability = data.synthetic
    ? 'They were measured on other data (real patients) and are not comparable with this run.'
    : 'The published split is not public, so the test patients differ and the comparison is only approximate.';
  const title = `${name}: ${titles}${data.synthetic ? ', synthetic data' : ''}`;
  const body = markup`<h1>${name}</h1>
<p class="lead">Grading of ${titles} from ${listed(data.series)} MRI of the lumbar spine. ${count(summary.arms.length, 'arm')}, tested on ${data.split.test} of
${data.studies} ${studies}; no training step used the test studies. ${provenance(summary)}</p>
<dl class="tiles">${only && taskTiles(first)}${localizationTile(summary)}</dl>
${!only && overviewTable(tasks, (result) => taskAnchor(tasks.indexOf(result)))}
${
  summary.rsna &&
  markup`<h3>Score of the RSNA 2024 challenge</h3>${rsnaTable(summary.rsna)}
<p class="caption">Mean of four log losses with the weights 1, 2 and 4: three conditions, and any severe canal stenosis of a
study. Lower is better.</p>`
}
<p>Arms: ${about.map((arm, i) => `${arm.name} (${arm.description}; epoch ${summary.arms[i]!.bestEpoch})`).join('; ')}. The arms share
everything else.</p>
${reading(extreme)}

${tasks.map((result, index) =>
  taskSection(
    { result, index, only, panels: figures.tasks[index]!, published: published[index]!, comparability },
    figure,
  ),
)}

${localizationSection(summary, figures.run.localization.flat(), published.find((entry) => entry !== null) ?? null, figure)}

<h2>Network inputs</h2>
${tasks.map(({ task }, index) => {
  const { rois } = figures.tasks[index]!;
  if (index > 0 && rois.length === 0) return markup``;
  return markup`<div class="${scaleClass(index)}">${figure(
    rois.flat(),
    `Slices with the annotated centres and the outline of each crop; the crops are shown below each slice. One training study
per grade of ${task.title}. ${otherSlice(task)}${symbolLegend(task)}`,
  )}</div>`;
})}

<h2>Pretraining</h2>
${figure(figures.run.pretraining.flat(), 'Contrastive pretraining per epoch: loss on training and validation patients, learning rate, and on validation patients alignment and uniformity of the embeddings (Wang and Isola 2020) and, in some epochs, the first task from the embeddings of the encoder.')}

<h2>Data, time and settings</h2>
<div class="columns"><section><h3>Discs by split and grade</h3>${dataTable(summary)}
<p class="small">${data.discs} graded discs of ${data.studies} ${studies}, split by patient. ${notice}</p>${findingsList(summary)}</section>
<section><h3>Time</h3>${timingTable(summary)}</section></div>
<details><summary>All settings of the run</summary>${configTable(config)}</details>`;
  const scales = tasks.map(({ task }) => task);
  return documentPage({ title, subject: 'run', synthetic: data.synthetic, scales, body });
}

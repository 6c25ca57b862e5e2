/** The page of a study: results first. */
import { MIN_PATIENTS } from '../../evaluation/bootstrap.js';
import { documentPage, listed, numberedFigures, programText } from '../../report/document.js';
import { count, percent } from '../../report/format.js';
import { type Markup, markup } from '../../report/markup.js';
import { scaleClass } from '../../report/style.js';
import { configTable } from '../../report/tables/run.js';
import type { StudySummary } from '../types.js';
import type { ShownError } from './gallery.js';
import { armScale, embeddingsSection, lengthSection, type StudyFigures } from './overall.js';
import { planTable, rsnaTable } from './tables.js';
import { type TaskFigures, taskSection } from './taskSection.js';

/** How to read the numbers. */
const READING = markup`<p class="caption">Predictions are out-of-fold: each test patient is graded by networks that were not trained
on that patient. A metric is computed from the pooled predictions of each repeat and averaged over the repeats. Predicted crops are
centred on the disc centres that the localizer found: this is what a user gets. Intervals are 95 % percentile intervals of a
bootstrap that draws patients, with all their discs and repeats; that of the most severe grade predicted as the mildest is Wilson's.
They cover the choice of patients, not of training seeds. No bootstrap interval is given if fewer than ${MIN_PATIENTS} patients have a
disc of one of the grades. Differences are paired. Their p-values are those of a permutation test that exchanges the arms of whole
patients, corrected after Holm over the comparisons at one label fraction. Balanced accuracy is the primary metric; the p-values of
the others are not corrected for the number of metrics.</p>`;

/** Missing cells, in words; null if there are none. */
function missingCells({ plan: { missing, progress } }: StudySummary): Markup | null {
  if (missing.length === 0) return null;
  const planned = progress.reduce((sum, entry) => sum + entry.planned, 0);
  const shown = missing
    .slice(0, 12)
    .map(
      ({ fold, repeat, labels, arm }) =>
        `${arm}, ${percent(labels, 0)} of the labels, repeat ${repeat}, fold ${fold}`,
    );
  const rest = missing.length - shown.length;
  return markup`<p><strong>The study is not finished: missing are ${String(missing.length)} of ${count(planned, 'cell')}.</strong> An arm is evaluated on its
complete repeats, or without one on the patients that it has; two arms are compared on the cells that both have.</p>
<details><summary>Missing cells</summary><ul class="small">${shown.map((cell) => markup`<li>${cell}</li>`)}</ul>
${rest > 0 && markup`<p class="small">${String(rest)} more are listed in <code>summary.json</code>.</p>`}</details>`;
}

export interface StudyPageInput {
  summary: StudySummary;
  /** In the order of the tasks. */
  figures: readonly TaskFigures[];
  errors: readonly (readonly ShownError[])[];
  /** About all tasks. */
  studyFigures: StudyFigures;
  config: Record<string, unknown>;
}

export function renderStudyPage({ summary, figures, errors, studyFigures, config }: StudyPageInput): string {
  const { name, data, plan, tasks, rsna, program, resampling } = summary;
  const titles = listed(tasks.map(({ task }) => task.title));
  const figure = numberedFigures('study');
  const patients = Math.max(
    0,
    ...tasks.flatMap(({ blocks }) => blocks.flatMap(({ arms }) => arms.map((arm) => arm.patients))),
  );
  const body = markup`<h1>${name}</h1>
<p class="lead">${tasks.length > 0 ? `Study of the grading of ${titles}` : 'Study without results yet'} from ${listed(data.series)} MRI of the lumbar spine. ${count(plan.arms.length, 'arm')}, ${count(plan.folds, 'fold')}, ${count(plan.repeats, 'repeat')},
${listed(plan.labels.map((fraction) => percent(fraction, 0)))} of the labels; ${count(patients, 'test patient')}. Data set ${data.name} (layout ${data.layout}). ${programText(program)}</p>
${missingCells(summary)}
<p>Arms: ${plan.arms.map(({ name, description }) => `${name} (${description})`).join('; ')}.</p>
${READING}
${rsna && markup`<h2>Score of the RSNA 2024 challenge</h2>${rsnaTable(rsna)}<p class="caption">Mean of four log losses with the weights 1, 2 and 4: three conditions, and any severe canal stenosis of a study. Lower is better.</p>`}
${tasks.map((result, i) => {
  const gradeColours = scaleClass(1 + i);
  return taskSection(
    { result, anchor: `task-${i + 1}`, figures: figures[i]!, errors: errors[i]!, gradeColours },
    figure,
  );
})}
${lengthSection(summary, studyFigures['length-validation'], figure)}
${embeddingsSection(summary, studyFigures, { grades: scaleClass(1), scanners: scaleClass(1 + tasks.length) }, figure)}
<h2>Plan, data and settings</h2>
<h3>Finished cells</h3>${planTable(summary)}
<p class="caption">A cell is one fold, repeat, label fraction and arm. ${String(resampling.resamples)} bootstrap resamples and ${String(resampling.permutations)} permutations, seed
${String(resampling.seed)}. The results on test patients follow from <code>predictions.csv</code>, those of the pooled calibration also from
<code>calibration.csv</code>, the validation curves from <code>curves.csv</code>.</p>
<p class="small">${data.notice}</p>
<details><summary>All settings of the study</summary>${configTable(config)}</details>`;
  return documentPage({
    title: `${name}${data.synthetic ? ', synthetic data' : ''}`,
    subject: 'study',
    synthetic: data.synthetic,
    scales: [armScale(plan.arms), ...tasks.map(({ task }) => task), studyFigures['map-scanners'].scale],
    body,
  });
}

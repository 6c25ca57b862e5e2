/** The failure gallery: the crops of the largest errors. */
import type { Figure } from '../../report/document.js';
import { ERRORS_PER_PANEL, gradingErrorsPanel } from '../../report/figures/gradingErrors.js';
import { count } from '../../report/format.js';
import { symbolLegend } from '../../report/grades.js';
import { type Markup, markup } from '../../report/markup.js';
import type { Panel } from '../../report/svg.js';
import type { ReportImage } from '../../report/types.js';
import type { Task } from '../../tasks/task.js';
import type { WorstError } from '../worstErrors.js';
import { errorsTable } from './errorsTable.js';

/** An error and its crop; null if there is none. */
export interface ShownError extends WorstError {
  crop: ReportImage | null;
}

/** Panels of crops with the symbols of the readers' and of the model's grade; none without crops. */
export function galleryPanels(task: Task, errors: readonly ShownError[]): Panel[] {
  const shown = errors.flatMap(({ crop, study, disc, truth, probabilities, localizationMm }) =>
    crop === null ? [] : [{ crop, studyId: study, level: disc, truth, probabilities, localizationMm }],
  );
  const panels: Panel[] = [];
  for (let start = 0; start < shown.length; start += ERRORS_PER_PANEL) {
    const own = shown.slice(start, start + ERRORS_PER_PANEL);
    panels.push(gradingErrorsPanel(task, `Errors ${start + 1} to ${start + own.length}`, own));
  }
  return panels;
}

/** The crops of the largest errors, and the same errors as a table. */
export function gallerySection(
  task: Task,
  panels: readonly Panel[],
  errors: readonly ShownError[],
  figure: Figure,
  colours: string,
): Markup {
  const missing = errors.filter(({ crop }) => crop === null).length;
  const note = missing === errors.length ? 'No crop is shown' : `${count(missing, 'crop')} not shown`;
  return markup`${
    panels.length > 0 &&
    figure(
      panels,
      `The crops as the network saw them, at the predicted centres. First symbol: readers' grade; second: the model's grade with the mean
probability over the repeats. ${symbolLegend(task)}`,
      colours,
    )
  }
${missing > 0 && markup`<p class="small">${note}: the folder of the study has neither the crops of the localizer nor the bank.</p>`}
${errorsTable(task, errors)}`;
}

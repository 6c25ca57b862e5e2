/** The discs that an arm graded worst, as crops. */
import { argmax } from '../../evaluation/metrics.js';
import type { GradeScale } from '../../tasks/task.js';
import { gradeName, gradeSymbol } from '../grades.js';
import { pngDataUri } from '../image.js';
import { type Markup, markup } from '../markup.js';
import { abbreviate, PANEL_WIDTH, type Panel } from '../svg.js';
import type { GradingError } from '../types.js';

const COLUMNS = 3;
const GAP = 10;
const SIDE = (PANEL_WIDTH - (COLUMNS - 1) * GAP) / COLUMNS;
const TEXT = 50;
/** Characters that fit below a crop. */
const LENGTH = 18;

/** Crops per panel. */
export const ERRORS_PER_PANEL = 6;

function cell(
  grades: GradeScale,
  { studyId, level, crop, truth, probabilities, localizationMm }: GradingError,
) {
  const predicted = argmax(probabilities);
  const line = (grade: number, y: number, text: string) =>
    markup`${gradeSymbol(grade, 5, y - 4)}<text x="14" y="${y}">${abbreviate(text, LENGTH - 2)}</text>`;
  const far =
    localizationMm === null ? 'not found' : localizationMm > 5 && `${localizationMm.toFixed(0)} mm off`;
  return markup`<image href="${pngDataUri(crop)}" width="${SIDE}" height="${SIDE}" preserveAspectRatio="none" />
${far && markup`<g class="on-image"><text x="4" y="${SIDE - 5}">${far}</text></g>`}
<text class="bold" x="0" y="${SIDE + 14}">${abbreviate(`${level} ${studyId}`, LENGTH)}</text>
${line(truth, SIDE + 29, gradeName(grades, truth))}
${line(predicted, SIDE + 44, `${gradeName(grades, predicted)} ${probabilities[predicted]!.toFixed(2)}`)}`;
}

export function gradingErrorsPanel(
  grades: GradeScale,
  title: string,
  errors: readonly GradingError[],
): Panel {
  const place = (error: GradingError, i: number): Markup => {
    const [x, y] = [(i % COLUMNS) * (SIDE + GAP), Math.floor(i / COLUMNS) * (SIDE + TEXT + GAP)];
    return markup`<g transform="translate(${x} ${y})">${cell(grades, error)}</g>`;
  };
  const description = errors.map(
    ({ studyId, level, truth, probabilities }) =>
      `${studyId} ${level}: readers ${gradeName(grades, truth)}, model ${gradeName(grades, argmax(probabilities))}`,
  );
  return {
    title,
    description: `${description.join('; ')}.`,
    height: Math.ceil(errors.length / COLUMNS) * (SIDE + TEXT + GAP) - GAP,
    body: markup`${errors.map(place)}`,
  };
}

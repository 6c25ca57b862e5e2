/** Where in its crop the grade of a disc comes from: the crop, Grad-CAM and input gradients. */
import { argmax } from '../../evaluation/metrics.js';
import type { GradeScale } from '../../tasks/task.js';
import { gradeName, gradeSymbol } from '../grades.js';
import { heatDataUri, pngDataUri } from '../image.js';
import { type Markup, markup } from '../markup.js';
import { abbreviate, PANEL_WIDTH, type Panel } from '../svg.js';
import type { SaliencyExample } from '../types.js';

const GAP = 6;
const COLUMNS = ['crop', 'Grad-CAM', 'gradients'];
const SIDE = (PANEL_WIDTH - (COLUMNS.length - 1) * GAP) / COLUMNS.length;
const HEAD = 16;
const ROW = SIDE + 42;
/** Characters of a grade's name that fit in half of the panel. */
const LENGTH = 20;

function row(grades: GradeScale, example: SaliencyExample, top: number): Markup {
  const { studyId, level, crop, gradCam, gradient, truth, probabilities } = example;
  const predicted = argmax(probabilities);
  const images = [pngDataUri(crop), heatDataUri(crop, gradCam), heatDataUri(crop, gradient)];
  const grade = (index: number, x: number, text: string) =>
    markup`${gradeSymbol(index, x + 5, SIDE + 25)}<text x="${x + 14}" y="${SIDE + 29}">${abbreviate(text, LENGTH)}</text>`;
  return markup`<g transform="translate(0 ${top})">${images.map(
    (uri, i) =>
      markup`<image href="${uri}" x="${i * (SIDE + GAP)}" width="${SIDE}" height="${SIDE}" preserveAspectRatio="none" />`,
  )}<text class="bold" x="0" y="${SIDE + 14}">${abbreviate(`${level} ${studyId}`, 2 * LENGTH)}</text>
${grade(truth, 0, gradeName(grades, truth))}${grade(predicted, PANEL_WIDTH / 2, `${gradeName(grades, predicted)} ${probabilities[predicted]!.toFixed(2)}`)}</g>`;
}

export function saliencyPanel(
  grades: GradeScale,
  title: string,
  examples: readonly SaliencyExample[],
): Panel {
  const description = examples.map(
    ({ studyId, level, truth, probabilities }) =>
      `${studyId} ${level}: readers ${gradeName(grades, truth)}, model ${gradeName(grades, argmax(probabilities))}`,
  );
  return {
    title,
    description: `${description.join('; ')}.`,
    height: HEAD + ROW * examples.length,
    body: markup`${COLUMNS.map((name, i) => markup`<text class="note" x="${i * (SIDE + GAP)}" y="10">${name}</text>`)}
${examples.map((example, i) => row(grades, example, HEAD + ROW * i))}`,
  };
}

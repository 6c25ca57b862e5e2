/** Predictions of the model and annotations of the readers on series of the test set. */
import { argmax } from '../../evaluation/metrics.js';
import type { GradeScale } from '../../tasks/task.js';
import { gradeClass, gradeName, gradeSymbol } from '../grades.js';
import { type Markup, markup } from '../markup.js';
import { abbreviate, PANEL_WIDTH, type Panel } from '../svg.js';
import type { PredictionExample } from '../types.js';
import { levelLabel, placeSlice, toPanel } from './rois.js';

const ROW = 22;
const BAR = 64;
const NUMBER = 28;
const COLUMNS = { level: 0, truth: 60, predicted: 146, bar: PANEL_WIDTH - BAR - NUMBER };
/** Characters of a grade's name that fit between the columns. */
const NAME_LENGTH = 10;

type Disc = PredictionExample['discs'][number];

function marks({ level, truth, predicted, truthGrade, probabilities }: Disc, scale: number): Markup {
  const place = (point: readonly [number, number]) =>
    [toPanel(point[0], scale), toPanel(point[1], scale)] as const;
  const shown = truth ?? predicted;
  if (shown === null) return markup``;
  const [px, py] = place(predicted ?? shown);
  const cross = `M${px - 5} ${py - 5}l10 10m0 -10l-10 10`;
  const [tx, ty] = place(shown);
  return markup`${
    truth &&
    markup`<circle class="under" cx="${tx}" cy="${ty}" r="8" /><circle class="ring ${gradeClass(truthGrade)}" cx="${tx}" cy="${ty}" r="8" />`
  }
${
  predicted &&
  markup`<path class="under" d="${cross}" /><path class="cross ${gradeClass(argmax(probabilities))}" d="${cross}" />`
}
${levelLabel(level, ty)}`;
}

/** The probabilities as one stacked bar. */
function probabilityBar(probabilities: readonly number[]): Markup {
  let x = 0;
  return markup`${probabilities.map((p, grade) => {
    const left = x;
    x += p * BAR;
    return markup`<rect class="segment ${gradeClass(grade)}" x="${left}" y="-9" width="${Math.max(0, p * BAR - 1)}" height="11" />`;
  })}`;
}

function row(scale: GradeScale, { level, truthGrade, probabilities }: Disc, y: number): Markup {
  const name = (grade: number | null) => abbreviate(gradeName(scale, grade), NAME_LENGTH);
  const predictedGrade = argmax(probabilities);
  const wrong = truthGrade !== null && truthGrade !== predictedGrade;
  return markup`<g transform="translate(0 ${y})"><text class="bold" x="${COLUMNS.level}">${level}</text>
${gradeSymbol(truthGrade, COLUMNS.truth + 4, -4)}<text x="${COLUMNS.truth + 14}">${name(truthGrade)}</text>
${gradeSymbol(predictedGrade, COLUMNS.predicted + 4, -4)}<text class="${wrong && 'bold'}" x="${COLUMNS.predicted + 14}">${name(predictedGrade)}${wrong && ' ≠'}</text>
<g transform="translate(${COLUMNS.bar} 0)">${probabilityBar(probabilities)}</g>
<text class="end" x="${PANEL_WIDTH}">${probabilities[predictedGrade]!.toFixed(2)}</text></g>`;
}

export function predictionPanel(grades: GradeScale, { studyId, slice, discs }: PredictionExample): Panel {
  const { image, scale, height } = placeSlice(slice);
  const top = height + 20;
  const description = discs.map(({ level, truthGrade, probabilities }) => {
    const predictedGrade = argmax(probabilities);
    return `${level}: readers ${gradeName(grades, truthGrade)}, model ${gradeName(grades, predictedGrade)} ${probabilities[predictedGrade]!.toFixed(2)}`;
  });
  return {
    title: `Study ${studyId}`,
    description: `${description.join('; ')}.`,
    height: top + ROW * (discs.length + 1),
    body: markup`<svg width="${PANEL_WIDTH}" height="${height}" class="on-image">${image}${discs.map((disc) => marks(disc, scale))}</svg>
<g transform="translate(0 ${top})"><text class="note" x="${COLUMNS.truth}">readers</text><text class="note" x="${COLUMNS.predicted}">model</text>
<text class="note" x="${COLUMNS.bar}">probability</text></g>${discs.map((disc, i) => row(grades, disc, top + ROW * (i + 1)))}`,
  };
}

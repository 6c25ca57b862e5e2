/** The sections that are about all tasks: length of fine-tuning, and embeddings. */
import type { Figure } from '../../report/document.js';
import { percent } from '../../report/format.js';
import { symbolLegend } from '../../report/grades.js';
import { type Markup, markup } from '../../report/markup.js';
import { scaleClass } from '../../report/style.js';
import type { Panel } from '../../report/svg.js';
import type { GradeScale } from '../../tasks/task.js';
import type { EmbeddingMap } from '../embeddingMaps.js';
import type { StudySummary } from '../types.js';
import { CURVES_CAPTION, curvePanels, curvesTable } from './curves.js';
import { embeddingPanels, NEIGHBOURS_CAPTION, neighboursTable } from './embeddingPanels.js';

/** A figure of the study, and the scale of its colours. */
export interface StudyFigure {
  title: string;
  panels: Panel[];
  scale: GradeScale;
}

/** The figures about all tasks, by the name of their file. */
export interface StudyFigures {
  'length-validation': StudyFigure;
  'map-grades': StudyFigure;
  'map-scanners': StudyFigure;
}

export interface Maps {
  maps: readonly EmbeddingMap[];
  /** Null unless two scanners are known. */
  scanners: { scale: GradeScale; indexOf(study: string): number | null } | null;
}

/** The arms as a scale, whose colours distinguish them. */
export const armScale = (arms: StudySummary['plan']['arms']): GradeScale => ({
  ordered: false,
  grades: arms.map(({ name }) => ({ name, labels: [name], weight: 1 })),
});

const NO_SCALE: GradeScale = { ordered: false, grades: [] };

export function drawStudy({ plan, curves, tasks }: StudySummary, { maps, scanners }: Maps): StudyFigures {
  const arms = plan.arms.map(({ name }) => name);
  const task = tasks[0]?.task;
  return {
    'length-validation': {
      title: 'Length of fine-tuning, validation',
      panels: curvePanels(curves, arms),
      scale: armScale(plan.arms),
    },
    'map-grades': {
      title: 'Embeddings by grade',
      panels: embeddingPanels(maps, 'grades', ({ grade }) => grade),
      scale: task ?? NO_SCALE,
    },
    'map-scanners': {
      title: 'Embeddings by scanner',
      panels: scanners ? embeddingPanels(maps, 'scanners', ({ study }) => scanners.indexOf(study)) : [],
      scale: scanners?.scale ?? NO_SCALE,
    },
  };
}

export function lengthSection(
  { curves }: StudySummary,
  { panels }: StudyFigure,
  figure: Figure,
): Markup | null {
  if (curves.length === 0) return null;
  return markup`<h2>Length of fine-tuning</h2>
${figure(panels, CURVES_CAPTION, scaleClass(0))}${curvesTable(curves)}
<p class="caption">Steps to 95 %: optimizer steps until the mean first reaches 95 % of its final value. Validation patients.</p>`;
}

/** @param classes of the scales of the two figures */
export function embeddingsSection(
  { embeddings, tasks, plan }: StudySummary,
  figures: Pick<StudyFigures, 'map-grades' | 'map-scanners'>,
  classes: Record<'grades' | 'scanners', string>,
  figure: Figure,
): Markup | null {
  const task = tasks[0]?.task;
  if (task === undefined) return null;
  if (embeddings.length === 0) {
    return markup`<h2>Embeddings</h2><p class="small">There is no map of the embeddings: no complete cell of this study kept them.</p>`;
  }
  const { panels, scale } = figures['map-scanners'];
  const largest = percent(Math.max(...plan.labels), 0);
  return markup`<h2>Embeddings</h2>
${figure(
  figures['map-grades'].panels,
  `Map (UMAP) of the embeddings of the test discs of one cell per arm, at ${largest} of the labels and on predicted crops, by the readers' grade of
${task.title}. ${symbolLegend(task)}`,
  classes.grades,
)}
${
  panels.length > 0
    ? figure(panels, `The same maps by scanner. ${symbolLegend(scale)} Grey: unknown.`, classes.scanners)
    : markup`<p class="small">The maps by scanner are not shown: fewer than two scanners are known. <code>groups.csv</code> in the folder of the study states them.</p>`
}
${neighboursTable(embeddings)}<p class="caption">${NEIGHBOURS_CAPTION}</p>`;
}

/** The five conditions of the RSNA 2024 Lumbar Spine Degenerative Classification challenge. */
import { LEVELS } from '../anatomy.js';
import type { Grade, Task, TaskSeries } from './task.js';

/** The weights are those of the challenge's metric. */
const GRADES: readonly Grade[] = [
  { name: 'normal', labels: ['Normal/Mild'], weight: 1 },
  { name: 'moderate', labels: ['Moderate'], weight: 2 },
  { name: 'severe', labels: ['Severe'], weight: 4 },
];

const SAGITTAL_T1: TaskSeries = { name: 'Sagittal T1', plane: 'sagittal', weighting: 'T1' };
const SAGITTAL_T2: TaskSeries = { name: 'Sagittal T2/STIR', plane: 'sagittal', weighting: 'T2' };
const AXIAL_T2: TaskSeries = { name: 'Axial T2', plane: 'axial', weighting: 'T2' };

const rsnaTask = (column: string, series: readonly TaskSeries[], side: Task['side']): Task => ({
  id: `rsna/${column}`,
  column,
  title: column.replaceAll('_', ' '),
  series,
  side,
  levels: LEVELS,
  ordered: true,
  grades: GRADES,
});

/** In the order of the columns of train.csv. */
export const RSNA_TASKS: readonly Task[] = [
  rsnaTask('spinal_canal_stenosis', [SAGITTAL_T2], null),
  rsnaTask('left_neural_foraminal_narrowing', [SAGITTAL_T1], 'left'),
  rsnaTask('right_neural_foraminal_narrowing', [SAGITTAL_T1], 'right'),
  rsnaTask('left_subarticular_stenosis', [AXIAL_T2], 'left'),
  rsnaTask('right_subarticular_stenosis', [AXIAL_T2], 'right'),
];

/** The default task of the RSNA layout, and the task of the phantom. */
export const SPINAL_CANAL_STENOSIS = RSNA_TASKS[0]!;

/** The condition of a task as train_label_coordinates.csv spells it: `Spinal Canal Stenosis`. */
export const conditionOf = ({ column }: Task): string =>
  column
    .split('_')
    .map((word) => `${word[0]!.toUpperCase()}${word.slice(1)}`)
    .join(' ');

/** The five conditions of the RSNA 2024 Lumbar Spine Degenerative Classification challenge. */
import { LEVELS } from '../anatomy.js';
import { type Grade, snakeCase, type Task, type TaskSeries } from './task.js';

/** The weights are those of the challenge's metric. */
const GRADES: readonly Grade[] = [
  { name: 'normal', label: 'Normal/Mild', weight: 1 },
  { name: 'moderate', label: 'Moderate', weight: 2 },
  { name: 'severe', label: 'Severe', weight: 4 },
];

const SAGITTAL_T1: TaskSeries = { description: 'Sagittal T1', plane: 'sagittal' };
const SAGITTAL_T2: TaskSeries = { description: 'Sagittal T2/STIR', plane: 'sagittal' };
const AXIAL_T2: TaskSeries = { description: 'Axial T2', plane: 'axial' };

const rsnaTask = (condition: string, series: TaskSeries, side: Task['side']): Task => ({
  id: `rsna/${snakeCase(condition)}`,
  layout: 'rsna',
  condition,
  title: condition.toLowerCase(),
  series,
  side,
  levels: LEVELS,
  ordered: true,
  grades: GRADES,
});

/** In the order of the columns of train.csv. */
export const RSNA_TASKS: readonly Task[] = [
  rsnaTask('Spinal Canal Stenosis', SAGITTAL_T2, null),
  rsnaTask('Left Neural Foraminal Narrowing', SAGITTAL_T1, 'left'),
  rsnaTask('Right Neural Foraminal Narrowing', SAGITTAL_T1, 'right'),
  rsnaTask('Left Subarticular Stenosis', AXIAL_T2, 'left'),
  rsnaTask('Right Subarticular Stenosis', AXIAL_T2, 'right'),
];

/** The task of a run unless its settings name another one, and the task of the phantom. */
export const SPINAL_CANAL_STENOSIS = RSNA_TASKS[0]!;

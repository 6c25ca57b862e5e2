/**
 * The gradings of SPIDER (van der Graaf et al., Scientific Data 11:264, 2024). The columns are those of
 * radiological_gradings.csv in snake case. The publication gives no weights; all grades count equally.
 */
import { DISC_LEVELS } from '../anatomy.js';
import type { Task, TaskSeries } from './task.js';

const T1: TaskSeries = { name: 'T1', plane: 'sagittal', weighting: 'T1' };
const T2: TaskSeries = { name: 'T2', plane: 'sagittal', weighting: 'T2' };
const T2_SPACE: TaskSeries = { name: 'T2_SPACE', plane: 'sagittal', weighting: 'T2' };

const spiderTask = (
  name: string,
  column: string,
  title: string,
  ordered: boolean,
  grades: readonly (readonly [name: string, ...labels: string[]])[],
): Task => ({
  id: `spider/${name}`,
  column,
  title,
  series: [T2, T1, T2_SPACE],
  side: null,
  levels: DISC_LEVELS,
  ordered,
  grades: grades.map(([grade, ...labels]) => ({ name: grade, labels, weight: 1 })),
});

const binaryTask = (name: string, column: string, title: string): Task =>
  spiderTask(name, column, title, true, [
    ['absent', '0'],
    ['present', '1'],
  ]);

export const SPIDER_TASKS: readonly Task[] = [
  spiderTask('pfirrmann', 'pfirrman_grade', 'disc degeneration (Pfirrmann)', true, [
    ['I', '1'],
    ['II', '2'],
    ['III', '3'],
    ['IV', '4'],
    ['V', '5'],
  ]),
  spiderTask('pfirrmann_3', 'pfirrman_grade', 'disc degeneration (Pfirrmann, three grades)', true, [
    ['I-II', '1', '2'],
    ['III', '3'],
    ['IV-V', '4', '5'],
  ]),
  binaryTask('narrowing', 'disc_narrowing', 'disc narrowing'),
  binaryTask('bulging', 'disc_bulging', 'disc bulging'),
  binaryTask('herniation', 'disc_herniation', 'disc herniation'),
  binaryTask('spondylolisthesis', 'spondylolisthesis', 'spondylolisthesis'),
  binaryTask('upper_endplate', 'up_endplate', 'upper endplate changes'),
  binaryTask('lower_endplate', 'low_endplate', 'lower endplate changes'),
  spiderTask('modic', 'modic', 'Modic changes', false, [
    ['none', '0'],
    ['type 1', '1'],
    ['type 2', '2'],
    ['type 3', '3'],
  ]),
];

/** The default task of the SPIDER layout. */
export const PFIRRMANN = SPIDER_TASKS[0]!;

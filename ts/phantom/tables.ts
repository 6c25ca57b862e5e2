/** The three CSV files of the RSNA 2024 layout. */
import { RSNA_TASKS, SPINAL_CANAL_STENOSIS } from '../tasks/rsna.js';
import { snakeCase, type Task } from '../tasks/task.js';

/** The task that phantom images can be graded for. */
export const PHANTOM_TASK: Task = SPINAL_CANAL_STENOSIS;

/** The lines of one study. */
export interface StudyRows {
  labels: string;
  coordinates: string[];
  series: string;
}

const LABEL_COLUMNS = RSNA_TASKS.flatMap(({ column, levels }) =>
  levels.map((level) => snakeCase(`${column} ${level}`)),
);

/** Names and contents of the CSV files, in writing order. train.csv is last: without it, a folder is no data set. */
export function csvFiles(rows: readonly StudyRows[]): [name: string, text: string][] {
  const table = (header: string, lines: readonly string[]) => `${[header, ...lines].join('\n')}\n`;
  const series = rows.map((row) => row.series);
  const coordinates = rows.flatMap((row) => row.coordinates);
  const labels = rows.map((row) => row.labels);
  return [
    ['train_series_descriptions.csv', table('study_id,series_id,series_description', series)],
    [
      'train_label_coordinates.csv',
      table('study_id,series_id,instance_number,condition,level,x,y', coordinates),
    ],
    ['train.csv', table(['study_id', ...LABEL_COLUMNS].join(','), labels)],
  ];
}

/** The three CSVs of the RSNA 2024 layout. (Without the DICOM writer, which only the workers need.) */
import { CONDITIONS, LEVELS } from '../anatomy.js';

/** One study's lines. */
export interface StudyRows {
  labels: string;
  coordinates: string[];
  series: string;
}

const snake = (text: string) => text.toLowerCase().replace(/[^a-z0-9]+/g, '_');

const LABEL_COLUMNS = CONDITIONS.flatMap((name) => LEVELS.map((level) => `${name}_${snake(level)}`));

/** Names and contents, in the order to write them: the labels make the folder a data set. */
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

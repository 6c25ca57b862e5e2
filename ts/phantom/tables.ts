/** The three CSV files of the RSNA 2024 layout. */
import type { Point, Side } from '../anatomy.js';
import { conditionOf, RSNA_TASKS } from '../tasks/rsna.js';
import { snakeCase } from '../tasks/task.js';
import { identityOf } from './identity.js';
import type { LateralReading } from './lateralReader.js';
import type { PhantomSeries, PhantomStudy } from './study.js';

/** The lines of one study. */
export interface StudyRows {
  labels: string;
  coordinates: string[];
  series: string[];
}

/** One grade of a study, and the point where it was read. */
export interface Annotation {
  readonly series: PhantomSeries;
  readonly side: Side | null;
  /** Index into the levels of the task. */
  readonly level: number;
  /** Index of the slice, from 0. */
  readonly slice: number;
  readonly reportedGrade: number;
  readonly pixel: Point;
}

/** The annotations of the readings of one series. */
export function annotationsOf(
  readings: readonly LateralReading[],
  series: PhantomSeries,
  pixel: (reading: LateralReading) => Point,
): Annotation[] {
  return readings.map((reading) => ({ ...reading, series, pixel: pixel(reading) }));
}

/** The lines of one study. The cells of conditions whose series is not written are empty. */
export function studyRows({ seed, index }: PhantomStudy, annotations: readonly Annotation[]): StudyRows {
  const { studyId } = identityOf(seed, index);
  const seriesId = (series: PhantomSeries) => identityOf(seed, index, series).seriesId;
  const labels: string[] = [studyId];
  const coordinates: string[] = [];
  for (const task of RSNA_TASKS) {
    const { grades, levels, series, side } = task;
    for (const [i, level] of levels.entries()) {
      const found = annotations.find(
        (each) => each.series === series[0]!.name && each.side === side && each.level === i,
      );
      labels.push(found === undefined ? '' : grades[found.reportedGrade]!.labels[0]!);
      if (found === undefined) continue;
      const [x, y] = found.pixel.map((value) => value.toFixed(3));
      coordinates.push(
        [studyId, seriesId(found.series), found.slice + 1, conditionOf(task), level, x, y].join(','),
      );
    }
  }
  const series = [...new Set(annotations.map((each) => each.series))];
  return {
    labels: labels.join(','),
    coordinates,
    series: series.map((name) => [studyId, seriesId(name), name].join(',')),
  };
}

const LABEL_COLUMNS = RSNA_TASKS.flatMap(({ column, levels }) =>
  levels.map((level) => snakeCase(`${column} ${level}`)),
);

/** Names and contents of the CSV files, in writing order. train.csv is last: without it, a folder is no data set. */
export function csvFiles(rows: readonly StudyRows[]): [name: string, text: string][] {
  const table = (header: string, lines: readonly string[]) => `${[header, ...lines].join('\n')}\n`;
  const series = rows.flatMap((row) => row.series);
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

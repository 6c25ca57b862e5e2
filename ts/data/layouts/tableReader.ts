/** Collects the rows of a table of discs (table.ts) into studies. An invalid row is listed in `skipped` with its line number. */
import { stat } from 'node:fs/promises';
import { relative, resolve } from 'node:path';
import { type Box, DISC_LEVELS, type Level, type Point } from '../../anatomy.js';
import { type Skipped, SpinegradError } from '../../error.js';
import type { CsvRow } from '../../io/csv.js';
import type { Task } from '../../tasks/task.js';
import { flagOf, levelOf, numberOf, readGrade, sideOf, spacingOf } from './fields.js';
import type { AnnotatedDisc, AnnotatedSeries, DiscAnnotation, Study } from './layout.js';

export const TABLE = 'discs.csv';
/** Columns of the centre and of the box of a disc. */
export const POINT = ['x', 'y'];
export const BOX = ['left', 'top', 'right', 'bottom'];

type TableSeries = AnnotatedSeries & { annotation: DiscAnnotation };

export class TableReader {
  readonly skipped: Skipped[] = [];
  /** By study, then by image. */
  private readonly found = new Map<string, Map<string, TableSeries>>();
  /** Per image, its study and whether it exists as a file or as a folder or volume with many slices. */
  private readonly images = new Map<string, { study: string; kind: 'slice' | 'stack' | 'missing' }>();
  private readonly unknownSeries = new Set<string>();

  constructor(
    private readonly dir: string,
    private readonly tasks: readonly Task[],
  ) {}

  readonly studies = (): Study[] =>
    [...this.found].map(([studyId, images]) => ({ studyId, series: [...images.values()] }));

  async add(row: CsvRow): Promise<void> {
    try {
      await this.addDisc(row);
    } catch (error) {
      if (!(error instanceof SpinegradError)) throw error;
      this.report(row, error.code, error.message);
    }
  }

  private async addDisc(row: CsvRow): Promise<void> {
    const { study = '', image = '', level: levelText = '' } = row.fields;
    for (const column of ['study', 'image']) {
      if (row.fields[column] !== '') continue;
      throw new SpinegradError('ERR_ROW_INVALID', `found no ${column}, expected one; row skipped`);
    }
    const level = levelOf(levelText);
    if (level === undefined) {
      throw new SpinegradError(
        'ERR_LEVEL_UNKNOWN',
        `study ${study}: unknown level '${levelText}', expected one such as L4/L5, or 1 for L5/S1 to 9 for T9/T10; row skipped`,
      );
    }
    const about = `study ${study} ${level}`;
    const kind = await this.kindOf(study, image, about);
    const side = this.parse(row, 'side', sideOf, about, 'left, right or nothing');
    const [complete, found] = ['complete', 'found'].map((column) =>
      this.parse(row, column, flagOf, about, 'true or false'),
    ) as [boolean, boolean];
    const { centre, box } = this.place(row, about);
    const slice = this.sliceOf(row, kind, about);

    const series = this.seriesOf(row, study, image);
    const { annotation } = series;
    if (annotation.discs.some((disc) => disc.level === level && disc.side === side)) {
      throw new SpinegradError('ERR_DUPLICATE_ROW', `${about}: duplicate disc on ${image}; first row used`);
    }
    annotation.complete &&= complete;
    annotation.found ||= found;
    const grades = this.tasks.map((task) => this.gradeOf(row, task, level, side, about));
    annotation.discs.push({ level, side, grades, slice, centre, box });
    annotation.discs.sort((a, b) => DISC_LEVELS.indexOf(a.level) - DISC_LEVELS.indexOf(b.level));
  }

  /** Checks that the image exists and is of one study, because the studies are divided into training and test. */
  private async kindOf(study: string, image: string, about: string): Promise<'slice' | 'stack'> {
    let cached = this.images.get(image);
    if (cached === undefined) {
      const file = await stat(resolve(this.dir, image)).catch(() => null);
      const isStack = file?.isDirectory() || /\.(nii|nii\.gz|mha)$/i.test(image);
      cached = { study, kind: file === null ? 'missing' : isStack ? 'stack' : 'slice' };
      this.images.set(image, cached);
    }
    if (cached.kind === 'missing') {
      throw new SpinegradError(
        'ERR_FILE_NOT_FOUND',
        `${about}: there is no image ${image} in ${this.dir}; disc skipped`,
      );
    }
    if (cached.study !== study) {
      throw new SpinegradError(
        'ERR_DUPLICATE_ROW',
        `${about}: found ${image}, which is an image of study ${cached.study}; expected one study per image; row skipped`,
      );
    }
    return cached.kind;
  }

  private place(row: CsvRow, about: string): { centre: Point; box: Box | null } {
    const numbers = (columns: readonly string[]) =>
      columns.map((column) => this.parse(row, column, numberOf, about, 'a number', 'ERR_COORDINATE_INVALID'));
    const [x, y] = numbers(POINT) as [number | null, number | null];
    const sides = numbers(BOX);
    const box = sides.includes(null) ? null : (sides as unknown as Box);
    if (box !== null && (box[0] > box[2] || box[1] > box[3])) {
      throw new SpinegradError(
        'ERR_COORDINATE_INVALID',
        `${about}: found the box ${box.join(', ')}, expected left < right and top < bottom; disc skipped`,
      );
    }
    if (x !== null && y !== null) return { centre: [x, y], box };
    if (box !== null) return { centre: [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2], box };
    throw new SpinegradError(
      'ERR_COORDINATE_INVALID',
      `${about}: found no coordinates, expected x and y, or ${BOX.join(', ')}; disc skipped`,
    );
  }

  private sliceOf(row: CsvRow, kind: 'slice' | 'stack', about: string): number {
    const expected = 'the number of a slice';
    const slice = this.parse(row, 'slice', numberOf, about, expected, 'ERR_COORDINATE_INVALID');
    if (slice !== null && Number.isInteger(slice)) return slice;
    if (slice === null && kind === 'slice') return 1;
    throw new SpinegradError(
      'ERR_COORDINATE_INVALID',
      `${about}: found slice '${slice ?? ''}', expected ${expected} of ${row.fields.image}; disc skipped`,
    );
  }

  /** The series of an image; the first row of the image states its kind and its spacing. */
  private seriesOf(row: CsvRow, study: string, image: string): TableSeries {
    const images = this.found.get(study) ?? new Map<string, TableSeries>();
    this.found.set(study, images);
    const cached = images.get(image);
    if (cached !== undefined) return cached;
    const text = row.fields.spacing ?? '';
    const pixelSpacing = spacingOf(text);
    if (pixelSpacing === undefined) {
      const expected = 'mm such as 0.5, or 0.5 x 0.6 for rows and columns';
      const message = `${image}: found spacing '${text}', expected ${expected}; that of the file is used`;
      this.report(row, 'ERR_SPACING_INVALID', message);
    }
    const series: TableSeries = {
      seriesId: image,
      series: this.nameOfSeries(row),
      images: relative(this.dir, resolve(this.dir, image)),
      pixelSpacing: pixelSpacing ?? null,
      annotation: { kind: 'discs', discs: [], complete: true, found: false },
    };
    images.set(image, series);
    return series;
  }

  /** The kind of a series in the spelling of the tasks. A table without this column has the primary series. */
  private nameOfSeries(row: CsvRow): string {
    const names = this.tasks.flatMap(({ series }) => series.map(({ name }) => name));
    const text = row.fields.series ?? '';
    if (text === '') return names[0]!;
    const name = names.find((candidate) => candidate.toLowerCase() === text.toLowerCase());
    if (name === undefined && !this.unknownSeries.has(text)) {
      this.unknownSeries.add(text);
      const expected = [...new Set(names)].join(', ');
      const message = `found series '${text}', expected ${expected}; its images train the localizer only`;
      this.report(row, 'ERR_SERIES_UNKNOWN', message);
    }
    return name ?? text;
  }

  /** Null for a task of another side or without this level. */
  private gradeOf(row: CsvRow, task: Task, level: Level, side: AnnotatedDisc['side'], about: string) {
    if (task.side !== side || !task.levels.includes(level)) return null;
    return readGrade(task, row.fields[task.column]!, (code, message) => {
      this.report(row, code, `${about} ${task.column}: ${message}`);
    });
  }

  private parse<T>(
    row: CsvRow,
    column: string,
    read: (text: string) => T | undefined,
    about: string,
    expected: string,
    code: SpinegradError['code'] = 'ERR_ROW_INVALID',
  ): T {
    const text = row.fields[column] ?? '';
    const value = read(text);
    if (value !== undefined) return value;
    throw new SpinegradError(code, `${about}: found ${column} '${text}', expected ${expected}; disc skipped`);
  }

  private report(row: CsvRow, code: SpinegradError['code'], message: string): void {
    this.skipped.push({ path: `${TABLE}:${row.line}`, code, message });
  }
}

/** Collects the rows of a table of discs (table.ts) into studies. An invalid row is listed in `skipped` with its line number. */
import { realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Box, DISC_LEVELS, type Level, type Point } from '../../anatomy.js';
import { type Skipped, SpinegradError } from '../../error.js';
import type { CsvRow } from '../../io/csv.js';
import { pathWithin, readError } from '../../io/files.js';
import type { Task } from '../../tasks/task.js';
import { flagOf, levelOf, numberOf, readGrade, sideOf, spacingOf } from './fields.js';
import type { AnnotatedDisc, AnnotatedSeries, DiscAnnotation, Study } from './layout.js';

export const TABLE = 'discs.csv';
/** Columns of the centre and of the box of a disc. */
export const POINT = ['x', 'y'];
export const BOX = ['left', 'top', 'right', 'bottom'];

/**
 * The path of an image of a table, relative to the data folder.
 *
 * @param about begins the message of the error
 * @throws SpinegradError ERR_ROW_INVALID if the image is outside of the folder
 */
export function imagePath(dir: string, image: string, about: string): string {
  const path = pathWithin(dir, image);
  if (path !== null) return path;
  throw new SpinegradError(
    'ERR_ROW_INVALID',
    `${about}: found image '${image}', expected a path in the folder ${dir}; make a link in it if the images are elsewhere; ` +
      'row skipped',
  );
}

/** An image that exists. */
interface TableImage {
  study: string;
  /** Relative to the data folder. */
  path: string;
  /** A folder or a volume has many slices. */
  kind: 'slice' | 'stack';
}

type TableSeries = AnnotatedSeries & { annotation: DiscAnnotation };

export class TableReader {
  readonly skipped: Skipped[] = [];
  /** By study, then by image. */
  private readonly found = new Map<string, Map<TableImage, TableSeries>>();
  /** By the text of the table. */
  private readonly images = new Map<string, TableImage>();
  /** By the path without symbolic links. */
  private readonly imagesByPlace = new Map<string, TableImage>();
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
    const opened = await this.openImage(study, image, about);
    const side = this.parse(row, 'side', sideOf, about, 'left, right or nothing');
    const [complete, found] = ['complete', 'found'].map((column) =>
      this.parse(row, column, flagOf, about, 'true or false'),
    ) as [boolean, boolean];
    const { centre, box } = this.place(row, about);
    const slice = this.sliceOf(row, opened.kind, about);

    const series = this.seriesOf(row, opened);
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
  private async openImage(study: string, text: string, about: string): Promise<TableImage> {
    const image = this.images.get(text) ?? (await this.findImage(study, text, about));
    this.images.set(text, image);
    if (image.study === study) return image;
    throw new SpinegradError(
      'ERR_DUPLICATE_ROW',
      `${about}: found ${text}, which is an image of study ${image.study}; expected one study per image; row skipped`,
    );
  }

  /** The image of a text; the same for all spellings of its path, and for symbolic links to it. */
  private async findImage(study: string, text: string, about: string): Promise<TableImage> {
    const path = imagePath(this.dir, text, about);
    try {
      const place = await realpath(join(this.dir, path));
      const isStack = (await stat(place)).isDirectory() || /\.(nii|nii\.gz|mha)$/i.test(text);
      const image = this.imagesByPlace.get(place) ?? { study, path, kind: isStack ? 'stack' : 'slice' };
      this.imagesByPlace.set(place, image);
      return image;
    } catch (cause) {
      const { code, message } = readError(join(this.dir, path), cause);
      throw new SpinegradError(code, `${about}: ${message}; disc skipped`, { cause });
    }
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
  private seriesOf(row: CsvRow, image: TableImage): TableSeries {
    const images = this.found.get(image.study) ?? new Map<TableImage, TableSeries>();
    this.found.set(image.study, images);
    const cached = images.get(image);
    if (cached !== undefined) return cached;
    const text = row.fields.spacing ?? '';
    const pixelSpacing = spacingOf(text);
    if (pixelSpacing === undefined) {
      const expected = 'mm such as 0.5, or 0.5 x 0.6 for rows and columns';
      const message = `${image.path}: found spacing '${text}', expected ${expected}; that of the file is used`;
      this.report(row, 'ERR_SPACING_INVALID', message);
    }
    const series: TableSeries = {
      seriesId: row.fields.image!,
      series: this.nameOfSeries(row),
      images: image.path,
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

/** The common form of all layouts of a data folder. */
import type { Box, Level, Point, Side } from '../../anatomy.js';
import type { Skipped } from '../../error.js';
import type { Task, TaskSeries } from '../../tasks/task.js';

export const LAYOUT_NAMES = ['rsna', 'spider', 'table'] as const;
export type Layout = (typeof LAYOUT_NAMES)[number];

/** A data folder: its studies with their annotations. No image has been opened. */
export interface Dataset {
  layout: Layout;
  /** Name for reports. */
  name: string;
  dir: string;
  synthetic: boolean;
  tasks: readonly Task[];
  /** The kinds of series from which ROIs are cut. */
  series: readonly TaskSeries[];
  /** In the order in which they enter the bank. Each has at least one series. */
  studies: Study[];
  skipped: Skipped[];
}

/** The series of one patient. */
export interface Study {
  /** The patient: the unit of the split. */
  studyId: string;
  series: AnnotatedSeries[];
}

/** A stack of images, and what the readers marked on it. */
export interface AnnotatedSeries {
  seriesId: string;
  /** Kind of series, as `TaskSeries.name`. */
  series: string;
  /** Folder of DICOM files or an image file, relative to the data folder; `openImages` reads it. */
  images: string;
  /** Between rows and between columns, mm; overrides the spacing of the files. */
  pixelSpacing: readonly [number, number] | null;
  annotation: DiscAnnotation | MaskAnnotation;
}

export interface DiscAnnotation {
  kind: 'discs';
  discs: AnnotatedDisc[];
  /**
   * Whether every visible disc of the annotated slice is marked. If not, it is not known whether discs above the topmost
   * marked one are visible.
   */
  complete: boolean;
  /** Whether a localizer found the discs (`spinegrad locate`). They are graded, but no localizer learns from them. */
  found: boolean;
}

/** A segmentation from which the discs are computed when the study is cut. */
export interface MaskAnnotation {
  kind: 'mask';
  /** Relative to the data folder. */
  file: string;
  /** Grades by level, in the order of the tasks. */
  grades: Partial<Record<Level, (number | null)[]>>;
}

/** A disc, or one side of it, that the readers marked on a series. */
export interface AnnotatedDisc {
  level: Level;
  side: Side | null;
  /**
   * Per task of the data set, an index into its grades; null without a valid label. Pretraining and localization use discs
   * without any grade too.
   */
  grades: (number | null)[];
  /** The slice on which the disc is marked, as `ImageSlice.instanceNumber`. */
  slice: number;
  /** In pixels of the slice. */
  centre: Point;
  /** In pixels of the slice; null if the data set has none. */
  box: Box | null;
}

/** A layout of data folders. `LAYOUTS` in dataset.ts lists all. */
export interface LayoutReader {
  readonly name: Layout;
  /** Files and folders that a data folder of this layout has. */
  readonly files: readonly string[];
  /** The tasks that can be named for a folder. */
  tasks(dir: string): Promise<readonly Task[]>;
  /** The tasks of a folder if none is named. */
  defaults(dir: string): Promise<readonly Task[]>;
  /**
   * Reads the annotations. Invalid rows, series and studies are listed in `skipped`.
   *
   * @param tasks at least one
   * @param series kinds from which ROIs are cut: series of these kinds are returned even without annotated discs
   */
  read(
    dir: string,
    tasks: readonly Task[],
    series: readonly string[],
  ): Promise<Pick<Dataset, 'name' | 'synthetic' | 'studies' | 'skipped'>>;
}

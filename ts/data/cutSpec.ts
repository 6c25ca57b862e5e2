/** Which crops are cut from the series of a data set. */
import type { TaskSeries } from '../tasks/task.js';
import type { AnnotatedDisc, Layout } from './layouts/layout.js';
import type { RoiSpec } from './types.js';

export interface CutSpec {
  /** The data folder. */
  dir: string;
  layout: Layout;
  /** Sides that the tasks grade. Discs of other sides are for the localizer only. */
  sides: readonly AnnotatedDisc['side'][];
  /** Number of tasks. */
  tasks: number;
  /** Planes of the kinds of series. Other series are assumed to be sagittal. */
  planes: Record<string, TaskSeries['plane']>;
  /** Kinds of series from which ROIs are cut. */
  crops: readonly string[];
  /** Whether each disc is cut from every one of these series, also from those on which it is not marked. */
  everySeries: boolean;
  roi: RoiSpec;
  sliceSize: number;
}

/** On which kind of series a model finds discs, and on which crops of a disc its tasks are graded. */
import type { Side } from '../anatomy.js';
import type { ModelDescription } from '../model/description.js';
import type { Site } from '../model/sites.js';
import { seriesNamed } from '../tasks/index.js';
import type { Task, TaskSeries } from '../tasks/task.js';

type Described = Pick<ModelDescription, 'sites' | 'input' | 'trainedOn' | 'localizer'>;

/** Tasks that are graded on the same crop of a disc. */
export interface Target {
  side: Side | null;
  /** Ids of tasks. */
  tasks: string[];
  /** Kinds of series of the crop: one without fusion, else those of the grader's input in their order. */
  series: string[];
}

/** A task that is not graded, on one level or on all. */
export interface NotGraded {
  /** Id of the task. */
  task: string;
  /** Null: all levels. */
  level: string | null;
  reason: string;
}

/** The kind of sagittal series on which discs are found. If the localizer knows several, it is one that is also graded. */
export function searchedSeries({
  sites,
  trainedOn: { tasks },
  localizer: { series },
}: Described): TaskSeries {
  const primary = tasks[0]!.series[0]!;
  const names = [primary.name, ...series].filter((name) => series.length === 0 || series.includes(name));
  const known = names
    .flatMap((name) => seriesNamed(name, tasks) ?? [])
    .filter(({ plane }) => plane === 'sagittal');
  const isGraded = ({ name }: TaskSeries) => sites.some((site) => site.series === name && site.side === null);
  return (
    known.find(isGraded) ??
    known[0] ?? { name: series[0] ?? primary.name, plane: 'sagittal', weighting: 'T2' }
  );
}

/**
 * The crops that the tasks need. Without fusion, a task is graded on the first series that the study has, among those on
 * which its training discs were graded.
 *
 * @param has whether the study has a kind of series
 */
export function targetsOf(
  model: Described,
  has: (series: string) => boolean,
): { targets: Target[]; notGraded: NotGraded[] } {
  const { input, trainedOn } = model;
  const targets = new Map<string, Target>();
  const notGraded: NotGraded[] = [];
  for (const task of trainedOn.tasks) {
    const sites = sitesOf(model, task);
    const site = sites.find(({ series }) => has(series));
    if (site === undefined) {
      const reason =
        sites.length === 0
          ? `the model does not know where the ${task.side} side of a disc is: its training data do not mark the midline`
          : `the study has no ${sites.map(({ series }) => series).join(' or ')} series`;
      notGraded.push({ task: task.id, level: null, reason });
      continue;
    }
    const series = input.spec.fusion === 'none' ? [site.series] : input.spec.series;
    const key = JSON.stringify([task.side, series]);
    const target = targets.get(key) ?? { side: task.side, tasks: [], series };
    target.tasks.push(task.id);
    targets.set(key, target);
  }
  return { targets: [...targets.values()], notGraded };
}

/** The sites of a task whose offset is known. Models without sites grade discs on the series on which they are found. */
function sitesOf(model: Described, { id, side }: Task): Pick<Site, 'series'>[] {
  const { sites, input } = model;
  if (sites.length === 0) return side === null ? [{ series: searchedSeries(model).name }] : [];
  return sites.filter(
    (site) =>
      site.side === side &&
      site.offsetMm !== null &&
      (input.spec.fusion !== 'none' || site.tasks.includes(id)),
  );
}

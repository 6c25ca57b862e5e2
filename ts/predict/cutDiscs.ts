/**
 * The crops of the located discs: one per slot of the grader's input, for each group of tasks that are graded on the same
 * crop. Discs are found on one sagittal slice. Other series and the sides of a disc are cut at the found point plus the offset
 * of the site, on the slice nearest to it. What is missing is masked in a fused model, else it is not graded.
 */
import type { Level, Side } from '../anatomy.js';
import type { Skipped } from '../error.js';
import { CropCutter } from '../model/crops.js';
import type { ModelDescription } from '../model/description.js';
import type { CropSet } from '../model/grade.js';
import type { LocatedDisc } from '../model/located.js';
import { type FoundOn, type SeriesPlace, type Source, StudySeries } from './studySeries.js';
import { type NotGraded, targetsOf } from './targets.js';

/** The crop of a disc. */
export interface CutDisc {
  level: Level;
  side: Side | null;
  /** Ids of the tasks that are graded on it. */
  tasks: string[];
  /** On the first series that shows it. */
  place: SeriesPlace;
}

export interface Cuts {
  crops: CropSet;
  /** Of each disc of `crops`. */
  discs: CutDisc[];
  notGraded: NotGraded[];
  /** Kinds of series that are masked for at least one disc. */
  missing: string[];
  /** Files that could not be read. */
  skipped: Skipped[];
}

type Disc = Pick<LocatedDisc, 'level' | 'point'>;

/**
 * Cuts the crops of discs.
 *
 * @param discs in pixels of the searched slice
 */
export async function cutDiscs(
  model: Pick<ModelDescription, 'roi' | 'input' | 'trainedOn' | 'sites' | 'localizer'>,
  source: Source,
  found: FoundOn,
  discs: readonly Disc[],
): Promise<Cuts> {
  const { roi, input, trainedOn } = model;
  const cutter = new CropCutter(roi, input.spec);
  const series = new StudySeries(model, source, found, cutter.neighbours);
  const { targets, notGraded } = targetsOf(model, (name) => series.has(name));
  const cut: CutDisc[] = [];
  const missing = new Set<string>();
  for (const { side, tasks, series: names } of targets) {
    for (const { level, point } of discs) {
      const ids = tasks.filter((id) =>
        trainedOn.tasks.find((task) => task.id === id)!.levels.includes(level),
      );
      if (ids.length === 0) continue;
      const places = await Promise.all(names.map((name) => series.place(name, side, point)));
      const shown = places.find((place) => place !== null);
      if (shown === undefined) {
        const reason = series.whyNot(names);
        notGraded.push(...ids.map((task) => ({ task, level, reason })));
        continue;
      }
      names.forEach((name, index) => {
        if (places[index] === null) missing.add(name);
      });
      cutter.add(places);
      cut.push({ level, side, tasks: ids, place: shown });
    }
  }
  return { crops: cutter.finish(), discs: cut, notGraded, missing: [...missing], skipped: series.skipped };
}

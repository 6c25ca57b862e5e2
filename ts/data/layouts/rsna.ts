/**
 * Reads the folder layout of the RSNA 2024 Lumbar Spine Degenerative Classification data:
 *
 *     train.csv                      study_id, <condition>_<level> x 25: label of a grade, or empty
 *     train_label_coordinates.csv    study_id, series_id, instance_number, condition, level, x, y
 *     train_series_descriptions.csv  study_id, series_id, series_description
 *     train_images/<study_id>/<series_id>/<instance_number>.dcm
 *
 * A missing or unreadable CSV file is an error. An invalid row, series or study is listed in `skipped`; docs/data.md
 * lists all cases.
 */
import { stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import type { Level } from '../../anatomy.js';
import type { Skipped } from '../../error.js';
import { entriesOf, readError, readText } from '../../io/files.js';
import { parseJson } from '../../io/json.js';
import { registeredTasks } from '../../tasks/index.js';
import { SPINAL_CANAL_STENOSIS } from '../../tasks/rsna.js';
import type { Task } from '../../tasks/task.js';
import { distinctStudies } from './distinctStudies.js';
import type { AnnotatedSeries, DiscAnnotation, LayoutReader, Study } from './layout.js';
import { type Coordinate, FILES, readCoordinates, readDescriptions, readLabels } from './rsnaTables.js';

type RsnaSeries = AnnotatedSeries & { annotation: DiscAnnotation };

/** The RSNA 2024 layout; also that of the phantom. */
export const rsna: LayoutReader = {
  name: 'rsna',
  files: Object.values(FILES),
  tasks: async () => registeredTasks(),
  defaults: async () => [SPINAL_CANAL_STENOSIS],

  async read(dir, tasks, kinds) {
    const skipped: Skipped[] = [];
    const labels = await readLabels(join(dir, FILES.labels), tasks, skipped);
    const landmarks = tasks.some(({ side }) => side === null) ? [] : [SPINAL_CANAL_STENOSIS];
    const marked = [...tasks, ...landmarks];
    const coordinates = await readCoordinates(join(dir, FILES.coordinates), marked, skipped);
    const descriptions = await readDescriptions(join(dir, FILES.series), skipped);
    const studies: Study[] = [];
    for (const studyId of [...new Set([...labels.keys(), ...coordinates.keys()])].sort(byNumber)) {
      const found = coordinates.get(studyId) ?? marked.map(() => new Map());
      const annotated = annotate(studyId, tasks, landmarks, labels.get(studyId), found, skipped);
      const others = unannotated(
        studyId,
        annotated,
        descriptions.get(studyId) ?? new Map(),
        marked,
        kinds,
        skipped,
      );
      const present = await withFolder(dir, studyId, [...annotated, ...others], skipped);
      if (present.some(({ annotation }) => annotation.discs.length > 0)) {
        studies.push({ studyId, series: present });
      }
    }
    for (const folder of await entriesOf(join(dir, FILES.images))) {
      if (!folder.isDirectory() || labels.has(folder.name) || coordinates.has(folder.name)) continue;
      const message = `neither ${FILES.labels} nor ${FILES.coordinates} lists this study; study skipped`;
      skipped.push({ path: join(FILES.images, folder.name), code: 'ERR_STUDY_UNLISTED', message });
    }
    const foldersOf = ({ studyId, series }: Study) => [
      join(FILES.images, studyId),
      ...series.map(({ images }) => images),
    ];
    const distinct = await distinctStudies(dir, studies, foldersOf, skipped);
    const synthetic = await isSynthetic(dir);
    return { name: synthetic ? 'phantom' : basename(resolve(dir)), synthetic, studies: distinct, skipped };
  },
};

/** Compares ids, which are decimal numbers without leading zeros, as text. */
function byNumber(a: string, b: string): number {
  return a.length - b.length || (a < b ? -1 : a > b ? 1 : 0);
}

/** Whether phantom.json marks the data as synthetic. */
async function isSynthetic(dir: string): Promise<boolean> {
  try {
    return parseJson(await readText(join(dir, 'phantom.json'))).synthetic === true;
  } catch {
    return false;
  }
}

/**
 * The series of a study with their discs, both in the order of tasks and levels. A series is of the kind of the first task
 * that is annotated on it. A disc that several tasks annotate on one series lies at the coordinates of the first.
 *
 * @param landmarks conditions whose coordinates only train the localizer: the canal, if no task grades it
 */
function annotate(
  studyId: string,
  tasks: readonly Task[],
  landmarks: readonly Task[],
  labels: readonly ReadonlyMap<Level, number>[] | undefined,
  coordinates: readonly ReadonlyMap<Level, Coordinate>[],
  skipped: Skipped[],
): RsnaSeries[] {
  if (labels === undefined) {
    const message = `study ${studyId} has coordinates but no row in ${FILES.labels}; its discs have no grade`;
    skipped.push({ path: FILES.labels, code: 'ERR_LABEL_MISSING', message });
  }
  const series = new Map<string, RsnaSeries>();
  for (const [index, task] of [...tasks, ...landmarks].entries()) {
    for (const level of task.levels) {
      const coordinate = coordinates[index]!.get(level);
      const grade = labels?.[index]?.get(level) ?? null;
      if (coordinate === undefined) {
        if (grade === null) continue;
        const message = `study ${studyId} ${level} ${task.column} has a grade but no coordinates; disc skipped`;
        skipped.push({ path: FILES.coordinates, code: 'ERR_COORDINATE_MISSING', message });
        continue;
      }
      const { seriesId, slice, centre } = coordinate;
      const annotated = series.get(seriesId) ?? newSeries(studyId, seriesId, task.series[0]!.name);
      series.set(seriesId, annotated);
      const { discs } = annotated.annotation;
      let disc = discs.find((other) => other.level === level && other.side === task.side);
      if (disc === undefined) {
        disc = { level, side: task.side, grades: tasks.map(() => null), slice, centre, box: null };
        discs.push(disc);
      }
      if (index < tasks.length) disc.grades[index] = grade;
    }
  }
  return [...series.values()];
}

const newSeries = (studyId: string, seriesId: string, series: string): RsnaSeries => ({
  seriesId,
  series,
  images: join(FILES.images, studyId, seriesId),
  pixelSpacing: null,
  annotation: { kind: 'discs', discs: [], complete: false, found: false },
});

/**
 * The series without coordinates of the kinds from which ROIs are cut. If a kind has annotated series, others of the kind are
 * reported and not used.
 */
function unannotated(
  studyId: string,
  annotated: readonly RsnaSeries[],
  descriptions: ReadonlyMap<string, string>,
  tasks: readonly Task[],
  kinds: readonly string[],
  skipped: Skipped[],
): RsnaSeries[] {
  const primary = new Set(tasks.map(({ series }) => series[0]!.name));
  const others: RsnaSeries[] = [];
  for (const [seriesId, kind] of descriptions) {
    if (annotated.some((item) => item.seriesId === seriesId)) continue;
    const used = annotated.filter(({ series }) => series === kind).map((item) => item.seriesId);
    if (used.length > 0 && primary.has(kind)) {
      const message = `another ${kind} series, without coordinates; ${used.join(', ')} is used`;
      skipped.push({ path: join(FILES.images, studyId, seriesId), code: 'ERR_SERIES_EXTRA', message });
    } else if (kinds.includes(kind)) others.push(newSeries(studyId, seriesId, kind));
  }
  return others;
}

/** The series whose folder exists; reports the others. */
async function withFolder(
  dir: string,
  studyId: string,
  series: readonly RsnaSeries[],
  skipped: Skipped[],
): Promise<RsnaSeries[]> {
  const present: RsnaSeries[] = [];
  for (const item of series) {
    const levels = item.annotation.discs.map((disc) => disc.level).join(', ');
    const report = (code: Skipped['code'], reason: string) => {
      const message = `${reason}; ${levels || item.series} of study ${studyId} skipped`;
      skipped.push({ path: item.images, code, message });
    };
    const path = join(dir, item.images);
    try {
      if ((await stat(path)).isDirectory()) present.push(item);
      else report('ERR_SERIES_MISSING', 'found a file, expected the folder of the series');
    } catch (cause) {
      const { code, message } = readError(path, cause);
      if (code === 'ERR_FILE_READ') report(code, message);
      else report('ERR_SERIES_MISSING', 'the series folder is missing');
    }
  }
  return present;
}

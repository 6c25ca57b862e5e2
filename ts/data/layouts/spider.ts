/**
 * Reads the folder layout of SPIDER (van der Graaf et al., Scientific Data 11:264, 2024; Zenodo 10159290):
 *
 *     images/<patient>_<t1|t2|t2_SPACE>.mha
 *     masks/<patient>_<t1|t2|t2_SPACE>.mha
 *     radiological_gradings.csv    Patient, IVD label (1 is L5/S1, counted upwards), one column per grade
 *
 * The discs come from the masks when a study is cut. A study without grades is kept: its discs train the localizer. Invalid
 * rows and files are listed in `skipped`; docs/data.md lists all cases.
 */
import { basename, join, resolve } from 'node:path';
import { DISC_LEVELS } from '../../anatomy.js';
import type { Skipped, SpinegradError } from '../../error.js';
import { readCsv } from '../../io/csv.js';
import { entriesOf } from '../../io/files.js';
import { registeredTasks } from '../../tasks/index.js';
import { PFIRRMANN } from '../../tasks/spider.js';
import { snakeCase, type Task } from '../../tasks/task.js';
import { distinctStudies } from './distinctStudies.js';
import { readGrade } from './fields.js';
import type { AnnotatedSeries, LayoutReader, MaskAnnotation, Study } from './layout.js';

const GRADINGS = 'radiological_gradings.csv';
const IMAGES = 'images';
const MASKS = 'masks';

/** `<patient>_<series>.mha` */
const FILE_NAME = /^(\d+)_(t1|t2|t2_space)\.mha$/i;

type Grades = MaskAnnotation['grades'];

/** The SPIDER layout. */
export const spider: LayoutReader = {
  name: 'spider',
  files: [IMAGES, MASKS, GRADINGS],
  tasks: async () => registeredTasks(),
  defaults: async () => [PFIRRMANN],

  async read(dir, tasks) {
    const skipped: Skipped[] = [];
    const gradings = await readGradings(join(dir, GRADINGS), tasks, skipped);
    const series = await pairFiles(dir, skipped);
    const patients = [...new Set(series.map(({ patient }) => patient))].sort((a, b) => Number(a) - Number(b));
    const studies = patients.map((studyId): Study => {
      const grades = gradings.get(studyId);
      if (grades === undefined) {
        const message = `patient ${studyId} has images but no row in ${GRADINGS}; its discs have no grade`;
        skipped.push({ path: GRADINGS, code: 'ERR_LABEL_MISSING', message });
      }
      const own = series.filter(({ patient }) => patient === studyId);
      return { studyId, series: own.map(({ file }) => annotate(file, grades ?? {})) };
    });
    for (const patient of gradings.keys()) {
      if (patients.includes(patient)) continue;
      const message = `patient ${patient} has grades but no image with a mask; its grades are not used`;
      skipped.push({ path: GRADINGS, code: 'ERR_SERIES_MISSING', message });
    }
    const filesOf = ({ series }: Study) => series.map(({ images }) => images);
    const distinct = await distinctStudies(dir, studies, filesOf, skipped);
    return { name: basename(resolve(dir)), synthetic: false, studies: distinct, skipped };
  },
};

function annotate(file: string, grades: Grades): AnnotatedSeries {
  return {
    seriesId: basename(file, '.mha'),
    series: FILE_NAME.exec(file)![2]!.toUpperCase(),
    images: join(IMAGES, file),
    pixelSpacing: null,
    annotation: { kind: 'mask', file: join(MASKS, file), grades },
  };
}

/**
 * By patient and level, the grades in the order of the tasks. A patient with the IVD label 0 has a disc below L5/S1. Whether the
 * labels of its mask start there too is not published, so none of its grades is used.
 */
async function readGradings(path: string, tasks: readonly Task[], skipped: Skipped[]) {
  const patients = new Map<string, Grades>();
  const unnumbered = new Set<string>();
  const columns = ['patient', 'ivd_label', ...new Set(tasks.map(({ column }) => column))];
  for (const { line, fields } of await readCsv(path, columns, { nameOf: snakeCase })) {
    const report = (code: SpinegradError['code'], message: string) =>
      skipped.push({ path: `${GRADINGS}:${line}`, code, message: `patient ${patient}: ${message}` });
    const { patient = '', ivd_label: label = '' } = fields;
    const level = /^[1-9]$/.test(label) ? DISC_LEVELS.at(-Number(label))! : undefined;
    if (label === '0') {
      report(
        'ERR_LEVEL_UNKNOWN',
        `found IVD label 0, a disc below L5/S1; the grades of this patient are not used`,
      );
      unnumbered.add(patient);
      continue;
    }
    if (level === undefined) {
      const expected = `1 for L5/S1 to ${DISC_LEVELS.length} for ${DISC_LEVELS[0]}`;
      report('ERR_LEVEL_UNKNOWN', `found IVD label '${label}', expected ${expected}; row skipped`);
      continue;
    }
    const grades = patients.get(patient) ?? {};
    patients.set(patient, grades);
    if (grades[level] !== undefined) {
      report('ERR_DUPLICATE_ROW', `duplicate IVD label ${label} (${level}); first row used`);
      continue;
    }
    grades[level] = tasks.map((task) => {
      if (!task.levels.includes(level)) return null;
      return readGrade(task, fields[task.column]!, (code, message) => {
        report(code, `${level} ${task.column}: ${message}`);
      });
    });
  }
  for (const patient of unnumbered) patients.set(patient, {});
  return patients;
}

/** The images that have a mask, sorted by name. Reports the other files. */
async function pairFiles(dir: string, skipped: Skipped[]): Promise<{ patient: string; file: string }[]> {
  const list = async (folder: string) =>
    (await entriesOf(join(dir, folder)))
      .map(({ name }) => name)
      .filter((name) => !name.startsWith('.'))
      .sort();
  const [images, masks] = [await list(IMAGES), await list(MASKS)];
  const report = (path: string, code: SpinegradError['code'], message: string) =>
    skipped.push({ path, code, message });
  for (const mask of masks) {
    if (images.includes(mask)) continue;
    report(join(MASKS, mask), 'ERR_SERIES_MISSING', `there is no image ${join(IMAGES, mask)}; mask skipped`);
  }
  return images.flatMap((file) => {
    const patient = FILE_NAME.exec(file)?.[1];
    const path = join(IMAGES, file);
    if (patient === undefined) {
      report(
        path,
        'ERR_SERIES_UNKNOWN',
        'expected a name such as 1_t1.mha, 1_t2.mha or 1_t2_SPACE.mha; file skipped',
      );
    } else if (!masks.includes(file)) {
      report(path, 'ERR_MASK_MISSING', `there is no mask ${join(MASKS, file)}; image skipped`);
    } else {
      return [{ patient, file }];
    }
    return [];
  });
}

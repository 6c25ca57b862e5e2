/** Tiny studies in the RSNA layout. The pixels of the DICOM files encode their position. */
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import dcmjs from 'dcmjs';
import { LEVELS } from '#spinegrad/anatomy.js';
import { conditionOf, RSNA_TASKS, SPINAL_CANAL_STENOSIS } from '#spinegrad/tasks/rsna.js';
import { snakeCase, type Task } from '#spinegrad/tasks/task.js';

export const ROWS = 48;
export const COLUMNS = 40;
/** Neighbouring discs are 36 mm apart. */
const SPACING: [number, number] = [4, 4];

interface TinyImage {
  instanceNumber: number;
  /** Position along the slice axis, mm to the patient's left. */
  x: number;
  /** Height of the first pixel, mm; default 0. */
  z?: number;
  /** Anterior on the right instead of the left. */
  mirrored?: boolean;
  axial?: boolean;
  /** Added to the first rows, so that images differ; default 0. */
  mark?: number;
  spacing?: [number, number];
  studyUid?: string;
}

/** A DICOM file, Explicit VR Little Endian, 16 bits. Pixel values increase posteriorly and inferiorly. */
export function tinyDicom({
  instanceNumber,
  x,
  z = 0,
  mirrored,
  axial,
  mark = 0,
  spacing = SPACING,
  studyUid,
}: TinyImage): Buffer {
  const pixels = new Uint16Array(ROWS * COLUMNS);
  for (let i = 0; i < pixels.length; i++) {
    const column = mirrored ? COLUMNS - 1 - (i % COLUMNS) : i % COLUMNS;
    pixels[i] = 100 + 7 * column + 3 * Math.floor(i / COLUMNS) + instanceNumber;
    if (i < 8 * COLUMNS) pixels[i]! += mark;
  }
  const value = (vr: string, ...values: unknown[]) => ({ vr, Value: values });
  const sopClass = '1.2.840.10008.5.1.4.1.1.4';
  const orientation = axial ? [1, 0, 0, 0, 1, 0] : [0, mirrored ? -1 : 1, 0, 0, 0, -1];
  const dict = new dcmjs.data.DicomDict({
    '00020010': value('UI', '1.2.840.10008.1.2.1'),
    '00020002': value('UI', sopClass),
    '00020003': value('UI', `1.2.3.${instanceNumber}`),
  });
  dict.dict = {
    '00080016': value('UI', sopClass),
    '00080018': value('UI', `1.2.3.${instanceNumber}`),
    '00080060': value('CS', 'MR'),
    ...(studyUid !== undefined && { '0020000D': value('UI', studyUid) }),
    '00200013': value('IS', instanceNumber),
    '00200032': value('DS', x, mirrored ? (COLUMNS - 1) * spacing[1] : 0, z),
    '00200037': value('DS', ...orientation),
    '00280002': value('US', 1),
    '00280004': value('CS', 'MONOCHROME2'),
    '00280010': value('US', ROWS),
    '00280011': value('US', COLUMNS),
    '00280030': value('DS', ...spacing),
    '00280100': value('US', 16),
    '00280101': value('US', 16),
    '00280102': value('US', 15),
    '00280103': value('US', 0),
    '7fe00010': value('OW', pixels.buffer),
  };
  return Buffer.from(dict.write());
}

export interface TinyStudy {
  studyId: string;
  /** Labels by level index; default: the labels of the grades of the task in turn. */
  labels?: Record<number, string>;
  images?: TinyImage[];
}

export const SERIES = '77';

/** Disc centres of every tiny study. */
export const centreOf = (level: number) => [20 + level / 4, 6 + 9 * level] as const;

/** Writes a valid data folder. Tests then damage its files. */
export async function tinyLayout(
  studies: readonly TinyStudy[],
  task: Task = SPINAL_CANAL_STENOSIS,
): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'spinegrad-rsna-'));
  const names = task.grades.map(({ labels }) => labels[0]!);
  const conditions = new Set([...RSNA_TASKS, task].map(({ column }) => column));
  const columns = [...conditions].flatMap((column) => LEVELS.map((level) => snakeCase(`${column} ${level}`)));
  const train = [['study_id', ...columns].join()];
  const coordinates = ['study_id,series_id,instance_number,condition,level,x,y'];
  const series = ['study_id,series_id,series_description'];
  for (const [s, { studyId, labels = {}, images }] of studies.entries()) {
    train.push([studyId, ...columns.map((_, i) => labels[i % 5] ?? names[(i + s) % names.length])].join());
    series.push(`${studyId},${SERIES},${task.series[0]!.name}`);
    for (const [i, level] of LEVELS.entries()) {
      const [x, y] = centreOf(i);
      coordinates.push(`${studyId},${SERIES},2,${conditionOf(task)},${level},${x},${y}`);
    }
    const path = join(folder, 'train_images', studyId, SERIES);
    await mkdir(path, { recursive: true });
    // Instance numbers run from left to right, against the sorting direction.
    for (const image of images ?? [1, 2, 3].map((n) => ({ instanceNumber: n, x: 8 - 4 * n }))) {
      await writeFile(join(path, `${image.instanceNumber}.dcm`), tinyDicom(image));
    }
  }
  await writeFile(join(folder, 'train.csv'), `${train.join('\n')}\n`);
  await writeFile(join(folder, 'train_label_coordinates.csv'), `${coordinates.join('\n')}\n`);
  await writeFile(join(folder, 'train_series_descriptions.csv'), `${series.join('\n')}\n`);
  return folder;
}

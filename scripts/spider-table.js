/**
 * Writes a folder in the table layout (docs/data.md) for a folder of sagittal slices of the SPIDER data set:
 *
 *     node scripts/spider-table.js SLICES OUT [--space] [--all]
 *
 * SLICES has images/<patient>_<t1|t2|t2_SPACE>.png, discs.csv (image, ivd_label, left, top, right, bottom), and
 * radiological_gradings.csv and overview.csv as published (Zenodo 10159290). OUT gets discs.csv and a link to SLICES; no
 * image is copied. The pixel spacing is that of overview.csv. A disc without grades has empty grade columns.
 *
 * The boxes of discs.csv are drawn with a margin; discs.csv of OUT has the boxes without it.
 *
 * --space takes the discs of T2_SPACE from space/images/*.png and space/masks/*.png of the same names instead. In these
 * masks all discs have one label, and the lowest is L5/S1. A slice is left out if its levels are unknown: the number of
 * its discs differs from num_discs of overview.csv, or the patient has a disc with the IVD label 0, below L5/S1.
 *
 * --all adds the graded discs of the other T1 and T2 slices, without coordinates; `spinegrad locate` finds them.
 */
import { mkdir, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { DISC_LEVELS } from '#spinegrad/anatomy.js';
import { discsFromRegions } from '#spinegrad/data/mask.js';
import { readPng } from '#spinegrad/data/png.js';
import { readCsv } from '#spinegrad/io/csv.js';
import { formatCsv } from '#spinegrad/io/writeCsv.js';
import { snakeCase } from '#spinegrad/tasks/task.js';

const GRADES = [
  'Pfirrman grade',
  'Disc narrowing',
  'Disc bulging',
  'Disc herniation',
  'Spondylolisthesis',
  'UP endplate',
  'LOW endplate',
  'Modic',
];
const BOX = ['left', 'top', 'right', 'bottom'];
const POINT = ['x', 'y'];

/**
 * Margin of the boxes of SLICES/discs.csv in pixels: the median distance of a side from the disc of the mask, of 68 discs on 9
 * T2_SPACE slices. A side at the border of the image has none.
 */
const MARGIN = 11;

/** Images that are stored upside down, while their boxes in SLICES/discs.csv belong to the upright image. */
const UPSIDE_DOWN = new Set(['52_t2_SPACE', '57_t2']);

/** Label of all discs in space/masks. */
const SPACE_DISC = 29;

/** Above a margin of this many disc distances over the topmost disc of a mask, another disc is visible. */
const MAX_MARGIN = 1.2;

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { space: { type: 'boolean', default: false }, all: { type: 'boolean', default: false } },
});
const [slices, out] = positionals;
if (out === undefined) {
  console.error('usage: node scripts/spider-table.js SLICES OUT [--space] [--all]');
  process.exit(2);
}

const read = async (name, columns) =>
  (await readCsv(join(slices, name), columns)).map(({ fields }) => fields);
const gradings = await read('radiological_gradings.csv', ['Patient', 'IVD label', ...GRADES]);
const gradesOf = new Map(gradings.map((row) => [`${row.Patient} ${row['IVD label']}`, row]));
const overview = await read('overview.csv', ['new_file_name', 'num_discs', 'PixelSpacing']);
const seriesOf = new Map(overview.map((row) => [row.new_file_name, row]));

const labelOf = (level) => DISC_LEVELS.length - DISC_LEVELS.indexOf(level);
const isNumbered = (study) => !gradesOf.has(`${study} 0`);

const rows = [];
/** Adds the row of a disc on an image of a series such as 10_t2. */
function add(name, image, level, point, box, complete = true) {
  const [, study, series] = /^(\d+)_(.+)$/.exec(name);
  const grades = gradesOf.get(`${study} ${labelOf(level)}`);
  // Published as '[between rows, between columns]' in mm.
  const spacing = seriesOf.get(name).PixelSpacing.replace(/[[\]]/g, '').split(',').map(Number);
  rows.push([
    ...[study, series.replace('t', 'T'), image, level, ...point, ...box, spacing.join(' x '), `${complete}`],
    ...GRADES.map((column) => grades?.[column] ?? ''),
  ]);
}

for (const disc of await read('discs.csv', ['image', 'ivd_label', ...BOX])) {
  if (values.space && disc.image.endsWith('SPACE')) continue;
  const box = BOX.map((side, i) => {
    const position = Number(disc[side]);
    return position === 0 ? 0 : position + (i < 2 ? MARGIN : -MARGIN);
  });
  if (UPSIDE_DOWN.has(disc.image)) {
    const { rows: height } = await readPng(join(slices, `images/${disc.image}.png`), null);
    [box[1], box[3]] = [height - 1 - box[3], height - 1 - box[1]];
  }
  const point = [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2];
  add(disc.image, `slices/images/${disc.image}.png`, DISC_LEVELS.at(-disc.ivd_label), point, box);
}

let unknown = 0;
for (const file of values.space ? (await readdir(join(slices, 'space/masks'))).sort() : []) {
  const [name] = file.split('_slice');
  const mask = await readPng(join(slices, 'space/masks', file), null);
  const discs = discsFromRegions(mask, SPACE_DISC, Number(seriesOf.get(name)?.num_discs));
  if (discs === null || !isNumbered(name.split('_')[0])) {
    unknown++;
    continue;
  }
  const [upper, top] = discs.slice(-2).map(({ centre }) => centre);
  const complete = top[1] < MAX_MARGIN * Math.hypot(upper[0] - top[0], upper[1] - top[1]);
  const image = `slices/space/images/${file}`;
  for (const { level, centre, box } of discs) add(name, image, level, centre, box, complete);
}

const known = new Set(rows.map(([, , image]) => basename(image, '.png')));
for (const file of values.all ? (await readdir(join(slices, 'images'))).sort() : []) {
  const name = basename(file, '.png');
  const [study, series] = name.split(/_(.+)/);
  if (!/^t[12]$/.test(series) || known.has(name) || !isNumbered(study)) continue;
  for (const level of DISC_LEVELS.filter((level) => gradesOf.has(`${study} ${labelOf(level)}`)))
    add(name, `slices/images/${file}`, level, ['', ''], ['', '', '', '']);
}

await mkdir(out, { recursive: true });
await rm(join(out, 'slices'), { force: true });
await symlink(resolve(slices), join(out, 'slices'));
const columns = ['study', 'series', 'image', 'level', ...POINT, ...BOX, 'spacing', 'complete'];
await writeFile(join(out, 'discs.csv'), formatCsv([...columns, ...GRADES.map(snakeCase)], rows));
const count = (column) => new Set(rows.map((row) => row[columns.indexOf(column)])).size;
console.log(
  `${join(out, 'discs.csv')}: ${rows.length} discs on ${count('image')} slices of ${count('study')} patients` +
    (unknown > 0 ? `; ${unknown} slices with unknown levels left out` : ''),
);

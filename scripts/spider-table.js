/**
 * Writes a folder in the table layout (docs/data.md) for a folder of mid-sagittal slices of the SPIDER data set:
 *
 *     node scripts/spider-table.js SLICES OUT
 *
 * SLICES has images/<patient>_<t1|t2|t2_SPACE>.png, discs.csv (image, ivd_label, left, top, right, bottom), and
 * radiological_gradings.csv and overview.csv as published (Zenodo 10159290). OUT gets discs.csv and a link to SLICES; no
 * image is copied. A disc without grades has empty grade columns. The pixel spacing is that of overview.csv.
 */
import { mkdir, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { readCsv } from '#spinegrad/io/csv.js';

/** The disc of each IVD label, from 1. */
const LEVELS = 'L5/S1 L4/L5 L3/L4 L2/L3 L1/L2 T12/L1 T11/T12 T10/T11 T9/T10'.split(' ');

/** The column of each published grade. */
const GRADES = {
  'Pfirrman grade': 'pfirrmann',
  'Disc narrowing': 'narrowing',
  'Disc bulging': 'bulging',
  'Disc herniation': 'herniation',
  Spondylolisthesis: 'spondylolisthesis',
  'UP endplate': 'upper_endplate',
  'LOW endplate': 'lower_endplate',
  Modic: 'modic',
};
const BOX = ['left', 'top', 'right', 'bottom'];
const COLUMNS = [
  'study',
  'series',
  'image',
  'level',
  ...BOX,
  'spacing',
  'complete',
  ...Object.values(GRADES),
];

const [slices, out] = process.argv.slice(2);
if (out === undefined) {
  console.error('usage: node scripts/spider-table.js SLICES OUT');
  process.exit(2);
}

const read = async (name, columns) =>
  (await readCsv(join(slices, name), columns)).map(({ fields }) => fields);
const gradings = await read('radiological_gradings.csv', ['Patient', 'IVD label', ...Object.keys(GRADES)]);
const gradesOf = new Map(gradings.map((row) => [`${row.Patient} ${row['IVD label']}`, row]));
const overview = await read('overview.csv', ['new_file_name', 'PixelSpacing']);
/** PixelSpacing is published as '[between rows, between columns]' in mm. */
const spacingOf = new Map(
  overview.map((row) => [row.new_file_name, row.PixelSpacing.replace(/[[\]]/g, '').split(',').map(Number)]),
);

const rows = [];
for (const disc of await read('discs.csv', ['image', 'ivd_label', ...BOX])) {
  const name = /^(?<study>\d+)_(?<series>.+)$/.exec(disc.image);
  const level = LEVELS[disc.ivd_label - 1];
  if (name === null || level === undefined) {
    console.error(`discs.csv: skipped image ${disc.image}, label ${disc.ivd_label}`);
    continue;
  }
  const { study, series } = name.groups;
  const grades = gradesOf.get(`${study} ${disc.ivd_label}`);
  rows.push([
    ...[study, series.replace('t', 'T'), `slices/images/${disc.image}.png`, level],
    ...BOX.map((side) => disc[side]),
    (spacingOf.get(disc.image) ?? []).join(' x '),
    'true',
    ...Object.keys(GRADES).map((column) => grades?.[column] ?? ''),
  ]);
}

await mkdir(out, { recursive: true });
await rm(join(out, 'slices'), { force: true });
await symlink(resolve(slices), join(out, 'slices'));
await writeFile(join(out, 'discs.csv'), `${[COLUMNS, ...rows].map((row) => row.join()).join('\n')}\n`);
const count = (column) => new Set(rows.map((row) => row[COLUMNS.indexOf(column)])).size;
const images = (await readdir(join(slices, 'images'))).length;
console.log(
  `${join(out, 'discs.csv')}: ${rows.length} discs on ${count('image')} slices of ${count('study')} patients; ` +
    `${images - count('image')} slices without boxes left out`,
);

/**
 * Reads every DICOM file of the given folders and prints the results as a Markdown table:
 *
 *     node docs/tools/dicom-table.js DIR...
 *
 * Results are compared with those of pydicom if test/dicom/golden/pydicom.json has them.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { readDicom, readHeader } from '#spinegrad/dicom/read.js';

const golden = JSON.parse(
  readFileSync(new URL('../../test/dicom/golden/pydicom.json', import.meta.url), 'utf8'),
).files;

async function resultOf(path, expected) {
  try {
    const { frames, rows, columns } = await readDicom(path, { invertMonochrome1: false });
    const hash = createHash('sha256');
    for (const { pixels } of frames) hash.update(new Uint8Array(Float32Array.from(pixels).buffer));
    const size = `${frames.length > 1 ? `${frames.length} x ` : ''}${rows} x ${columns}`;
    if (expected?.sha256 === undefined) return [size, 'decoded; no reference'];
    if (hash.digest('hex') !== expected.sha256) return [size, 'DIFFERS'];
    if (expected.decoder !== undefined) return [size, `equal to ${expected.decoder}; pydicom fails`];
    return [size, expected.repaired ? 'equal, once pydicom is given the missing delimiter' : 'equal'];
  } catch (error) {
    const reason = error.message.replace(`${path}: `, '');
    const theirs =
      expected?.sha256 === undefined
        ? expected?.error
          ? '; pydicom fails, too'
          : ''
        : '; pydicom decodes it';
    return ['', `${error.code}: ${reason}${theirs}`];
  }
}

async function transferSyntaxOf(path) {
  return readHeader(path).then(
    ({ transferSyntax }) => transferSyntax,
    () => '',
  );
}

const folders = process.argv.slice(2);
if (folders.length === 0) {
  process.stderr.write('usage: node docs/tools/dicom-table.js DIR...\n');
  process.exitCode = 2;
}
for (const folder of folders) {
  process.stdout.write(
    `\n| ${basename(folder)}/ | transfer syntax | frames x rows x columns | result |\n|---|---|---|---|\n`,
  );
  for (const name of readdirSync(folder)
    .filter((file) => file.endsWith('.dcm'))
    .sort()) {
    const path = join(folder, name);
    const [size, result] = await resultOf(path, golden[`${basename(folder)}/${name}`]);
    process.stdout.write(`| ${name} | ${await transferSyntaxOf(path)} | ${size} | ${result} |\n`);
  }
}

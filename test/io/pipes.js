/**
 * Puts a pipe in place of each text file and reads it. Runs in a separate process (files.test.ts), because a reader that waits
 * for a writer does not return. Prints a line `<file> <message>` per file.
 *
 *     node test/io/pipes.js <folder>
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { readBank } from '#spinegrad/data/bank.js';
import { readDataset } from '#spinegrad/data/dataset.js';
import { readTable } from '#spinegrad/evaluation/table.js';
import { PredictionFolder } from '#spinegrad/predict/predictionFolder.js';
import { cellCurve } from '#spinegrad/study/cellCurve.js';
import { Claims } from '#spinegrad/study/claims.js';
import { readGroups } from '#spinegrad/study/groupsFile.js';
import { readPlanFile } from '#spinegrad/study/plan.js';
import { readResult } from '#spinegrad/study/results.js';
import { readSearched } from '#spinegrad/study/searched.js';
import { readStudy } from '#spinegrad/study/study.js';
import { lockFolder } from '#spinegrad/training/lock.js';
import { readIdentity } from '#spinegrad/training/runFolder.js';
import { RunLog } from '#spinegrad/training/runLog.js';

const model = { description: { sha256: '' }, folder: 'model', arms: [{ name: 'scratch' }] };
const predictions = async (dir) => (await PredictionFolder.open(dir, model, { index: 2, count: 2 })).read();

/** What reads each file, by its path in the folder. */
const READERS = {
  'predictions.csv': (path) => readTable(path, [], () => null),
  'groups.csv': readGroups,
  'plan.json': readPlanFile,
  'table/discs.csv': (path) => readDataset(dirname(path)),
  'tasks/tasks.json': (path) => {
    writeFileSync(join(dirname(path), 'discs.csv'), 'study,image,level,x,y\n');
    return readDataset(dirname(path));
  },
  'bank/manifest.json': (path) => readBank(dirname(path)),
  'run/config.json': (path) => readIdentity(dirname(path)),
  'run/lock': (path) => lockFolder(dirname(path)),
  'run/metrics.jsonl': (path) => RunLog.open(dirname(path), true),
  'cell/metrics.jsonl': (path) => cellCurve({}, 'scratch', dirname(path)),
  'unit/result.json': (path) => readResult({ dir: dirname(path) }),
  'unit/searched.json': (path) => readSearched(dirname(path), {}),
  'study/study.json': (path) => readStudy(dirname(path)),
  'claims/bank.1': (path) => new Claims(dirname(path)).holder('bank'),
  'many/predictions.json': (path) => predictions(dirname(path)),
  'lines/predictions-1-of-2.jsonl': (path) => predictions(dirname(path)),
};

const [folder] = process.argv.slice(2);
for (const [file, read] of Object.entries(READERS)) {
  const path = join(folder, file);
  mkdirSync(dirname(path), { recursive: true });
  execFileSync('mkfifo', [path]);
  let message = 'read';
  try {
    await read(path);
  } catch (error) {
    message = `${error.code}: ${error.message.replace(path, 'FILE')}`;
  }
  console.log(`${file} ${message}`);
}

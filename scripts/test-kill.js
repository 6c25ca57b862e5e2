/**
 * Kills a run with kill -9 at random moments, resumes it, and compares its bits with those of an uninterrupted run.
 *
 *     npm run test:kill -- [KILLS] [SEED] [train options]
 *
 * KILLS is 50 and SEED is 1 by default. The moments are uniform over the duration of the uninterrupted run, so they also hit
 * the phantoms, the bank and the report. Options of `spinegrad train` change the run, for example `--set encoder.width=4`.
 * Equal are all weight files, all numbers of metrics.jsonl and summary.json, predictions.csv and localization.csv. Exits with 1
 * at the first difference; the folders are then kept.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { RandomStream } from '../dist/random.js';

const [kills = '50', seed = '1', ...options] = process.argv.slice(2);
const root = fileURLToPath(new URL('..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'spinegrad-kill-'));
const random = new RandomStream(Number(seed));

const start = (dir, ...more) =>
  spawn(
    process.execPath,
    [join(root, 'dist/cli/main.js'), 'train', '--device', 'cpu', '--preset', 'smoke', '--out', dir]
      .concat(options)
      .concat(more),
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );

function fail(reason) {
  console.error(`${reason}; the folders are kept in ${folder}`);
  process.exit(1);
}

/** Waits until a run ends. */
async function finish(child, what) {
  let text = '';
  child.stderr.setEncoding('utf8').on('data', (part) => {
    text += part;
  });
  const [code] = await once(child, 'close');
  if (code !== 0) fail(`${what} ended with exit code ${code}:\n${text}`);
}

const reference = join(folder, 'uninterrupted');
const started = performance.now();
await finish(start(reference), 'the uninterrupted run');
const duration = performance.now() - started;
console.log(`uninterrupted: ${(duration / 1000).toFixed(1)} s`);

/** What differs between a run and the uninterrupted one; undefined if nothing does. */
function differenceOf(dir) {
  const table = ['predictions.csv', 'localization.csv'].find(
    (name) => !readFileSync(join(dir, name)).equals(readFileSync(join(reference, name))),
  );
  if (table !== undefined) return table;
  const compared = spawnSync(process.execPath, [join(root, 'scripts/compare-runs.js'), reference, dir], {
    encoding: 'utf8',
  });
  return compared.status === 0 ? undefined : `${compared.stdout}${compared.stderr}`;
}

for (let kill = 1; kill <= Number(kills); kill++) {
  const dir = join(folder, `${kill}`);
  const moment = random.uniform(0, duration);
  const child = start(dir);
  const timer = setTimeout(() => child.kill('SIGKILL'), moment);
  child.stderr.resume();
  const [, signal] = await once(child, 'close');
  clearTimeout(timer);
  const reached = ['summary.json', 'model.json', 'checkpoints', 'bank/manifest.json', 'config.json'].find(
    (name) => existsSync(join(dir, name)),
  );
  await finish(start(dir, '--resume'), `the resumed run ${kill}`);
  const difference = differenceOf(dir);
  const when = `${signal === null ? 'ended before' : 'killed after'} ${(moment / 1000).toFixed(1)} s`;
  console.log(
    `${kill}/${kills}: ${when}, it had ${reached ?? 'nothing'}: ${difference ? 'DIFFERENT' : 'equal bits'}`,
  );
  if (difference) fail(difference);
  rmSync(dir, { recursive: true });
}
rmSync(folder, { recursive: true });
console.log(`${kills} kills, ${kills} resumed runs with equal bits`);

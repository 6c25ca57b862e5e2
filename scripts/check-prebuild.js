/**
 * Fails unless prebuilds/ holds an addon that runs on the oldest supported systems, loads and computes with the libraries
 * next to it, and has their licences. `npm pack` runs this.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = path.join('prebuilds', `${process.platform}-${process.arch}`);
const FILES = ['spinegrad.node', 'openmp.node', 'libdnnl.so.2', 'libgomp.so.1', 'libOpenCL.so.1'];
const LICENCES = [
  'Apache-2.0.txt',
  'GCC-RUNTIME-LIBRARY-EXCEPTION-3.1.txt',
  'GPL-3.0.txt',
  'SOURCES.txt',
  'node-addon-api.md',
  'oneDNN.txt',
];

/** The newest symbol versions that a file may need: those of Rocky 9, with glibc 2.34 and the libstdc++ of GCC 11. */
const FLOOR = { GLIBC: '2.34', GLIBCXX: '3.4.29', CXXABI: '1.3.13' };

/** Throws if a file needs a newer symbol than the floor. A file that is not a library is found by checkAddon(). */
function checkFloor(file) {
  const table = spawnSync('readelf', ['--dyn-syms', '--wide', file], { cwd: root, encoding: 'utf8' });
  if (table.error) throw table.error;
  for (const [, symbol, library, version] of table.stdout.matchAll(/ UND (\S+)@+([A-Z]+)_([\d.]+)/g)) {
    const floor = FLOOR[library];
    if (floor === undefined || version.localeCompare(floor, 'en', { numeric: true }) <= 0) continue;
    throw new Error(
      `${file} needs ${library}_${version} for ${symbol}, expected ${library}_${floor} or older`,
    );
  }
}

// A child process, because a broken binary can crash it.
const CODE = `
  import { openDevice } from './dist/engine/openDevice.js';
  const device = await openDevice('cpu');
  const [value] = await device.full([1], 2).data();
  if (value !== 2) throw new Error('computed ' + value + ', expected 2');
  const { sharedObjects } = process.report.getReport();
  for (const file of ${JSON.stringify(FILES.map((file) => path.join(root, folder, file)))}) {
    if (!sharedObjects.includes(file)) throw new Error('not loaded: ' + file);
  }
`;

/** Throws if the addon does not load and compute. */
function checkAddon() {
  const { status, signal, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', CODE], {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, NODE_BINDINGS_COMPILED_DIR: folder },
  });
  if (status === 0) return;
  console.error(`${stderr.trim()}\n`);
  throw new Error(`the prebuilt addon does not work (${signal ?? `exit code ${status}`})`);
}

try {
  for (const file of FILES) checkFloor(path.join(folder, file));
  checkAddon();
  for (const name of LICENCES) {
    if (!existsSync(path.join(root, folder, 'licenses', name)))
      throw new Error(`licenses/${name} is missing`);
  }
} catch (error) {
  console.error(`${folder}: ${error.message}; run: npm run prebuilds`);
  process.exitCode = 1;
}

/** Fails unless prebuilds/ holds an addon that loads and computes with the libraries next to it. `npm pack` runs this. */
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = path.join('prebuilds', `${process.platform}-${process.arch}`);
const FILES = ['spinegrad.node', 'openmp.node', 'libdnnl.so.2', 'libgomp.so.1', 'libOpenCL.so.1'];

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

const { status, signal, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', CODE], {
  cwd: root,
  encoding: 'utf8',
  env: { ...process.env, NODE_BINDINGS_COMPILED_DIR: folder },
});
if (status !== 0) {
  console.error(`${stderr.trim()}\n`);
  console.error(
    `${folder}: the prebuilt addon does not work (${signal ?? `exit code ${status}`}); run: npm run prebuilds`,
  );
  process.exitCode = 1;
}

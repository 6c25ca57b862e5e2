import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { SpinegradError } from './error.js';

/**
 * The folder with package.json, the addon and the files of the worker threads.
 *
 * @throws SpinegradError ERR_BUNDLED if a bundler has moved the code away from them
 */
export function packageRoot(): string {
  // Bundlers leave import.meta.url undefined in CommonJS.
  const url = import.meta.url as string | undefined;
  const root = url === undefined ? null : fileURLToPath(new URL('..', url));
  if (root !== null && nameIn(root) === 'spinegrad') return root;
  throw new SpinegradError(
    'ERR_BUNDLED',
    'spinegrad is part of a bundle, which lacks its addon, the files of its worker threads and its package.json; mark ' +
      "'spinegrad' as external, for example with esbuild --external:spinegrad, and install it next to the bundle",
  );
}

function nameIn(folder: string): unknown {
  try {
    return (JSON.parse(readFileSync(`${folder}package.json`, 'utf8')) as { name?: unknown }).name;
  } catch {
    return undefined;
  }
}

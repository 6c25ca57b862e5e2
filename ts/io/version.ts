import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../packageRoot.js';

const manifest = readFileSync(join(packageRoot(), 'package.json'), 'utf8');

/** The version in package.json. */
export const VERSION = (JSON.parse(manifest) as { version: string }).version;

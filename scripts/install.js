// npm's install step: nothing to do where a prebuilt binary is there; else build the addon from source.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

if (existsSync(new URL(`../prebuilds/${process.platform}-${process.arch}/spinegrad.node`, import.meta.url))) {
  process.exit(0);
}
const { status } = spawnSync('npx', ['cmake-js', 'build', '--out', 'build/cmake'], { stdio: 'inherit' });
if (status !== 0) {
  console.error('spinegrad: the native addon did not build; ./scripts/setup.sh installs what it needs.');
}
process.exit(status ?? 1);

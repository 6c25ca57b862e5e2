// The main job: `node train.js [options]` is `spinegrad train [options]`.
import { existsSync } from 'node:fs';

const cli = new URL('./dist/cli/main.js', import.meta.url);
if (existsSync(cli)) {
  const { main } = await import(cli.href);
  await main(['train', ...process.argv.slice(2)]);
} else {
  console.error('spinegrad: ERR_NOT_BUILT: dist/ is missing; run ./scripts/setup.sh first');
  process.exitCode = 1;
}

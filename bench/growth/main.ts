/**
 * `npm run bench:growth`: how the cost of training, inference, InfoNCE and `prepare` grows with their size, with one
 * thread and with two. docs/performance.md shows its tables and its figure.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { oneOf } from '../lib/options.js';
import { processor, saveResults } from '../lib/results.js';
import { runBench } from '../lib/run.js';
import { measure } from './measure.js';
import { figureOf, type Growth, tableOf } from './report.js';
import { studyFolders } from './studies.js';
import { STUDIES, sweeps } from './sweeps.js';

const NAMES = ['training', 'inference', 'contrast', 'prepare'];
const THREADS = [1, 2];

interface Options {
  work: string[];
  largest: number;
  figure?: string;
  save: boolean;
}

const command = new Command('bench:growth')
  .description('time training, inference, InfoNCE and prepare at growing sizes')
  .option('--work <name>', `only this one of ${NAMES.join(', ')}; may be repeated`, oneOf(NAMES), [])
  .option('--largest <n>', 'leave out sizes above this one', Number, Number.POSITIVE_INFINITY)
  .option('--figure <file>', 'draw them all into this SVG file')
  .option('--no-save', 'do not write bench/results/<date>-<cpu>.json');

async function main({ work, largest, figure, save }: Options): Promise<void> {
  const names = work.length > 0 ? work : NAMES;
  const folder = mkdtempSync(join(tmpdir(), 'spinegrad-growth-'));
  try {
    const studies = names.includes('prepare') ? STUDIES.filter((count) => count <= largest) : [];
    const growths: Growth[] = [];
    for (const sweep of sweeps(await studyFolders(folder, studies))) {
      if (!names.includes(sweep.work)) continue;
      const sizes = sweep.sizes.filter((size) => size <= largest);
      const points = [];
      for (const size of sizes) points.push(...(await measure(sweep, size, THREADS)));
      growths.push({ sweep, points });
      console.log(`${tableOf(growths.at(-1)!)}\n`);
    }
    console.log(processor());
    if (figure) writeFileSync(figure, figureOf(growths));
    if (save) {
      const growth = growths.map(({ sweep: { name, unit }, points }) => ({ name, unit, points }));
      console.log(`written: ${saveResults('bench/results', { growth })}`);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}

await runBench(() => main(command.parse().opts<Options>()));

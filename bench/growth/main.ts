/**
 * `npm run bench:growth`: time and memory of training, inference, InfoNCE and `prepare` at growing sizes, with one and
 * two threads. docs/performance.md has the tables and the figure.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { oneOf } from '../lib/options.js';
import { processor, saveResults } from '../lib/results.js';
import { runBench } from '../lib/run.js';
import { measure } from './measure.js';
import { figureOf, type SweepResult, tableOf } from './report.js';
import { studyFolders } from './studies.js';
import { STUDIES, sweeps } from './sweeps.js';

const NAMES = ['training', 'inference', 'contrast', 'prepare'];
const THREADS = [1, 2];

interface Options {
  workload: string[];
  largest: number;
  figure?: string;
  save: boolean;
}

const command = new Command('bench:growth')
  .description('time training, inference, InfoNCE and prepare at growing sizes')
  .option('--workload <name>', `one of ${NAMES.join(', ')}; may be repeated (default: all)`, oneOf(NAMES), [])
  .option('--largest <n>', 'skip larger sizes', Number, Number.POSITIVE_INFINITY)
  .option('--figure <file>', 'write the figure to this SVG file')
  .option('--no-save', 'do not write bench/results/<date>-<cpu>.json');

async function main({ workload, largest, figure, save }: Options): Promise<void> {
  const names = workload.length > 0 ? workload : NAMES;
  const folder = mkdtempSync(join(tmpdir(), 'spinegrad-growth-'));
  try {
    const studies = names.includes('prepare') ? STUDIES.filter((count) => count <= largest) : [];
    const results: SweepResult[] = [];
    for (const sweep of sweeps(await studyFolders(folder, studies))) {
      if (!names.includes(sweep.workload)) continue;
      const sizes = sweep.sizes.filter((size) => size <= largest);
      const points = [];
      for (const size of sizes) points.push(...(await measure(sweep, size, THREADS)));
      results.push({ sweep, points });
      console.log(`${tableOf({ sweep, points })}\n`);
    }
    console.log(processor());
    if (figure) writeFileSync(figure, figureOf(results));
    if (save) {
      const growth = results.map(({ sweep: { name, unit }, points }) => ({ name, unit, points }));
      console.log(`written: ${saveResults('bench/results', { growth })}`);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}

await runBench(() => main(command.parse().opts<Options>()));

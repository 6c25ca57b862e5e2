import { Command, Option } from 'commander';
import { generatePhantom } from '../phantom/generate.js';
import { PREVALENCES, type Prevalence } from '../phantom/prevalence.js';
import { interruptible } from './interruptible.js';
import { wholeNumber } from './options.js';
import { terminalProgress } from './progress.js';

interface Flags {
  out: string;
  studies: number;
  seed: number;
  prevalence: Prevalence;
  slices: number;
}

/** `spinegrad phantom`: writes synthetic studies in the RSNA 2024 layout. */
export function phantomCommand(): Command {
  return new Command('phantom')
    .description('write synthetic lumbar MR studies as DICOM, in the layout of the RSNA 2024 data')
    .requiredOption('--out <folder>', 'output folder; must be new or empty')
    .option('--studies <n>', 'number of studies', wholeNumber, 200)
    .option('--seed <n>', 'random seed; the same seed gives the same bytes', wholeNumber, 1)
    .addOption(
      new Option(
        '--prevalence <name>',
        'frequency of the grades: as in the RSNA data, or enriched to about 50/25/25 %',
      )
        .choices(PREVALENCES)
        .default('rsna'),
    )
    .option('--slices <n>', 'sagittal slices per study', wholeNumber, 7)
    .action(phantom);
}

async function phantom(flags: Flags): Promise<void> {
  const started = performance.now();
  const progress = terminalProgress();
  await interruptible(progress, `${flags.out} is incomplete; delete it and run again`, async (signal) => {
    await generatePhantom({
      ...flags,
      signal,
      onProgress: (done, total) => progress.update('phantom studies', done, total),
    });
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    console.log(
      `${flags.studies} synthetic studies of ${flags.slices} slices in ${flags.out} (${seconds} s)`,
    );
  });
}

import { Command, InvalidArgumentError, Option } from 'commander';
import { generatePhantom, writtenSeries } from '../phantom/generate.js';
import { PREVALENCES, type Prevalence } from '../phantom/prevalence.js';
import { PHANTOM_SERIES, type PhantomSeries } from '../phantom/study.js';
import { interruptible } from './interruptible.js';
import { wholeNumber } from './options.js';
import { terminalProgress } from './progress.js';

interface Flags {
  out: string;
  studies: number;
  seed: number;
  prevalence: Prevalence;
  slices: number;
  series?: PhantomSeries[];
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
    .option('--slices <n>', 'sagittal T2 slices per study', wholeNumber, 7)
    .option(
      '--series <names>',
      `series of each study, with commas between them: ${PHANTOM_SERIES.join(', ')} (default: the first one)`,
      seriesNames,
    )
    .action(phantom);
}

function seriesNames(text: string): PhantomSeries[] {
  return text.split(',').map((part) => {
    const name = PHANTOM_SERIES.find((each) => each.toLowerCase() === part.trim().toLowerCase());
    if (name !== undefined) return name;
    throw new InvalidArgumentError(`expected names of ${PHANTOM_SERIES.join(', ')}.`);
  });
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
      `${flags.studies} synthetic studies in ${flags.out} (${seconds} s): ${writtenSeries(flags.series).join(', ')}`,
    );
  });
}

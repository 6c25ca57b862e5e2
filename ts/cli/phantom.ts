import { Command, InvalidArgumentError, Option } from 'commander';
import { generatePhantom } from '../phantom/generate.js';
import { PREVALENCES, type Prevalence } from '../phantom/prevalence.js';

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
    .requiredOption('--out <folder>', 'folder to write; new or empty')
    .option('--studies <n>', 'number of studies', wholeNumber, 200)
    .option('--seed <n>', 'the same seed gives the same bytes', wholeNumber, 1)
    .addOption(
      new Option(
        '--prevalence <name>',
        'grades as frequent as in the RSNA data, or enriched to about 50/25/25 %',
      )
        .choices(PREVALENCES)
        .default('rsna'),
    )
    .option('--slices <n>', 'sagittal slices a study', wholeNumber, 7)
    .action(async (flags: Flags) => {
      const started = performance.now();
      const abort = new AbortController();
      const stop = () => abort.abort();
      process.once('SIGINT', stop);
      try {
        await generatePhantom({ ...flags, signal: abort.signal, onProgress: progressLine() });
      } finally {
        process.removeListener('SIGINT', stop);
      }
      const seconds = ((performance.now() - started) / 1000).toFixed(1);
      console.log(
        `${flags.studies} synthetic studies of ${flags.slices} slices in ${flags.out} (${seconds} s)`,
      );
    });
}

/** One line that moves on a terminal; a line every tenth elsewhere. */
function progressLine(): (done: number, total: number) => void {
  const started = performance.now();
  const { stderr } = process;
  return (done, total) => {
    const left = (((performance.now() - started) / 1000) * (total - done)) / done;
    const text = `phantom ${done}/${total}, ${Math.ceil(left)} s left`;
    if (stderr.isTTY) stderr.write(`\r\x1b[K${done === total ? '' : text}`);
    else if (done === total || done % Math.max(1, Math.round(total / 10)) === 0) stderr.write(`${text}\n`);
  };
}

function wholeNumber(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('expected a whole number.');
  return Number(text);
}

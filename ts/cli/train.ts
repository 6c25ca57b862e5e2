/** `spinegrad train`, which is also `node train.js`. */
import { resolve } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import type { DeviceKind } from '../engine/device.js';
import { formatSummary } from '../report/console.js';
import { PRESETS, parseSetting, resolveConfig } from '../training/config.js';
import { terminalProgress } from '../training/progress.js';
import { defaultFolder, openRunFolder, type RunIdentity } from '../training/runFolder.js';
import { train } from '../training/train.js';

interface Flags {
  data?: string;
  preset?: string;
  device: DeviceKind;
  out?: string;
  resume: boolean;
  seed?: number;
  set: string[];
}

const DEFAULT_PRESET = 'demo';

export function trainCommand(): Command {
  return new Command('train')
    .description(
      'train, compare and report three graders of spinal canal stenosis; without --data on phantom studies',
    )
    .option('--data <folder>', 'studies in the RSNA 2024 layout; default: phantom studies made for the run')
    .addOption(
      new Option('--preset <name>', `settings to start from (default: ${DEFAULT_PRESET})`).choices(
        Object.keys(PRESETS),
      ),
    )
    .addOption(
      new Option('--device <kind>', 'where to compute').choices(['auto', 'cpu', 'cuda']).default('auto'),
    )
    .option('--out <folder>', 'folder of the run (default: runs/<preset>)')
    .option('--resume', 'go on where a stopped run ended; its settings need not be given again', false)
    .option('--seed <n>', 'everything random follows from it', wholeNumber)
    .option(
      '--set <key=value>',
      'change one setting, e.g. pretraining.epochs=5; may be repeated',
      collect,
      [],
    )
    .addHelpText('after', '\nThe settings and their reasons: docs/settings.md')
    .action(run);
}

/** What the flags ask for; undefined when they leave everything to the stored run. */
function wantedOf(flags: Flags): RunIdentity | undefined {
  const { data, preset, seed, set } = flags;
  if (data === undefined && preset === undefined && seed === undefined && set.length === 0) return undefined;
  return identityOf(flags);
}

function identityOf({ data, preset = DEFAULT_PRESET, seed, set }: Flags): RunIdentity {
  const changes = set.map(parseSetting);
  if (seed !== undefined) changes.push({ seed });
  return { config: resolveConfig(preset, ...changes), data: data === undefined ? null : resolve(data) };
}

async function run(flags: Flags): Promise<void> {
  const progress = terminalProgress();
  const { resume, device, preset = DEFAULT_PRESET } = flags;
  const dir = flags.out === undefined ? defaultFolder(preset, resume) : resolve(flags.out);
  const identity = await openRunFolder(dir, resume, wantedOf(flags), () => identityOf(flags));
  progress.line(`run ${dir}`);
  const abort = new AbortController();
  const stop = () => {
    if (abort.signal.aborted) process.exit(130);
    progress.line('stopping at the next step; press Ctrl-C again to stop at once');
    abort.abort();
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  try {
    const summary = await train({ dir, identity, resume, device, progress, signal: abort.signal });
    console.log(formatSummary(summary));
    console.log(`report: ${resolve(dir, 'report.html')}`);
  } catch (error) {
    if (!abort.signal.aborted) throw error;
    progress.line(`stopped; go on with: node train.js --resume --out ${dir}`);
    process.exitCode = 130;
  } finally {
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
  }
}

function wholeNumber(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('expected a whole number.');
  return Number(text);
}

const collect = (value: string, list: string[]): string[] => [...list, value];

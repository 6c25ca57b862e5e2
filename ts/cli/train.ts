/** `spinegrad train`, which is also `node train.js`. */
import { resolve } from 'node:path';
import { Command, Option } from 'commander';
import type { DeviceKind } from '../engine/device.js';
import { formatSummary } from '../report/console.js';
import { DEFAULT_PRESET, PRESETS, parseSetting } from '../training/config.js';
import { defaultFolder, openRunFolder } from '../training/runFolder.js';
import { interruptible } from './interruptible.js';
import { collect, deviceOption, wholeNumber } from './options.js';
import { terminalProgress } from './progress.js';

interface Flags {
  data?: string;
  preset?: string;
  device: DeviceKind;
  out?: string;
  resume: boolean;
  seed?: number;
  set: string[];
  profile: boolean;
}

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
    .addOption(deviceOption())
    .option('--out <folder>', 'folder of the run (default: runs/<preset>)')
    .option(
      '--resume',
      'go on where a stopped run ended, with its settings; a new run where there is none',
      false,
    )
    .option('--seed <n>', 'everything random follows from it', wholeNumber)
    .option(
      '--set <key=value>',
      'change one setting, e.g. pretraining.epochs=5; may be repeated',
      collect,
      [],
    )
    .option(
      '--profile',
      'write profile.json, a Chrome trace of the first 100,000 operations on the device, and print a table of them',
      false,
    )
    .addHelpText('after', '\nThe settings and their reasons: docs/settings.md')
    .action(run);
}

async function run(flags: Flags): Promise<void> {
  const { train } = await import('../training/train.js');
  const progress = terminalProgress();
  const { resume, device, profile, seed, preset, data } = flags;
  const changes = flags.set.map(parseSetting);
  if (seed !== undefined) changes.push({ seed });
  const dir = flags.out === undefined ? defaultFolder(preset ?? DEFAULT_PRESET, resume) : resolve(flags.out);
  const { identity, resumed, lock } = await openRunFolder(dir, resume, {
    preset,
    changes,
    data: data === undefined ? undefined : resolve(data),
  });
  using _ = lock;
  progress.line(`run ${dir}${resume && !resumed ? ': found nothing to resume, so a new run begins' : ''}`);
  if (lock.tookOver !== undefined)
    progress.line(`took the folder over from process ${lock.tookOver}, which has ended`);
  await interruptible(progress, `go on with: node train.js --resume --out ${dir}`, async (signal) => {
    const summary = await train({ dir, identity, resume: resumed, device, profile, progress, signal });
    console.log(formatSummary(summary));
    console.log(`report: ${resolve(dir, 'report.html')}`);
  });
}

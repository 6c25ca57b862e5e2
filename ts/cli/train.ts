/** `spinegrad train`, also available as `node train.js`. */
import { resolve } from 'node:path';
import { Command, Option } from 'commander';
import type { Layout } from '../data/layouts/layout.js';
import type { DeviceKind } from '../engine/openDevice.js';
import { commandLine } from '../io/commandLine.js';
import { formatSummary } from '../report/console.js';
import { taskIds } from '../tasks/index.js';
import { DEFAULT_PRESET, merge, PRESETS, parseSetting } from '../training/config.js';
import { defaultFolder } from '../training/runFolder.js';
import { interruptible } from './interruptible.js';
import { armsOption, collect, datasetOption, deviceOption, tasksOption, wholeNumber } from './options.js';
import { terminalProgress } from './progress.js';

interface Flags {
  data?: string;
  preset?: string;
  device: DeviceKind;
  out?: string;
  resume: boolean;
  task: string[];
  arms?: string[];
  dataset?: Layout;
  seed?: number;
  set: string[];
  profile: boolean;
}

export function trainCommand(): Command {
  return new Command('train')
    .description(
      'train graders, compare them on test patients and write a report; without --data on phantom studies',
    )
    .option(
      '--data <folder>',
      'data folder (docs/data.md describes the layouts); default: phantom studies generated for the run',
    )
    .addOption(datasetOption())
    .addOption(
      new Option('--preset <name>', `settings to start from (default: ${DEFAULT_PRESET})`).choices(
        Object.keys(PRESETS),
      ),
    )
    .addOption(deviceOption())
    .option('--out <folder>', 'folder of the run (default: runs/<preset>)')
    .option('--resume', 'resume a stopped run with its settings, or start a new run if there is none', false)
    .addOption(tasksOption())
    .addOption(armsOption())
    .option('--seed <n>', 'random seed of the run (default: 1)', wholeNumber)
    .addOption(
      new Option('--set <key=value>', 'change one setting, for example pretraining.epochs=5; repeatable')
        .argParser(collect)
        .default([] as string[], 'none'),
    )
    .option(
      '--profile',
      'write profile.json, a Chrome trace of the first 100,000 device operations, and print their total times',
      false,
    )
    .addHelpText('after', `\nTasks: ${taskIds().join(', ')}\nSettings: docs/settings.md`)
    .action(run);
}

async function run(flags: Flags): Promise<void> {
  const { trainRun } = await import('../training/trainRun.js');
  const progress = terminalProgress();
  const { resume, device, profile, task, arms, dataset, seed, preset, data } = flags;
  const changes = flags.set.map(parseSetting);
  if (task.length > 0) changes.push({ tasks: task });
  if (arms !== undefined) changes.push({ arms });
  if (dataset !== undefined) changes.push({ data: { layout: dataset } });
  if (seed !== undefined) changes.push({ seed });
  const settings = changes.reduce(merge, {});
  const out = flags.out === undefined ? defaultFolder(preset ?? DEFAULT_PRESET, resume) : resolve(flags.out);
  const resumeWith = commandLine('train', '--resume', '--out', out);
  await interruptible(progress, `resume with: ${resumeWith}`, async (signal) => {
    const options = { out, data, preset, settings, resume, device, profile, progress, signal };
    console.log(formatSummary(await trainRun(options)));
    console.log(`report: ${resolve(out, 'report.html')}`);
  });
}

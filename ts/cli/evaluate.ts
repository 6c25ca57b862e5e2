/** `spinegrad evaluate`: evaluates the graders of a finished run on its test patients or on other data. */
import { Command } from 'commander';
import type { Layout } from '../data/layouts/layout.js';
import type { DeviceKind } from '../engine/device.js';
import { writeFileAtomic } from '../io/atomic.js';
import { interruptible } from './interruptible.js';
import { datasetOption, deviceOption } from './options.js';
import { terminalProgress } from './progress.js';

interface Flags {
  model: string;
  data?: string;
  dataset?: Layout;
  json?: string;
  device: DeviceKind;
}

export function evaluateCommand(): Command {
  return new Command('evaluate')
    .description(
      'evaluate the graders and the localizer of a finished run on its test patients or on other studies',
    )
    .requiredOption('--model <run>', 'folder of a finished run')
    .option('--data <folder>', "evaluate all studies of this data folder; default: the run's test patients")
    .addOption(datasetOption())
    .option('--json <file>', 'write the result to a file instead of stdout')
    .addOption(deviceOption())
    .action(evaluate);
}

async function evaluate({ model, data, dataset: layout, json, device }: Flags): Promise<void> {
  const { evaluateModel } = await import('../training/evaluateModel.js');
  const progress = terminalProgress();
  await interruptible(progress, 'nothing was written; run again', async (signal) => {
    const result = await evaluateModel({ model, data, layout, device, progress, signal });
    const text = `${JSON.stringify(result, null, 2)}\n`;
    if (json === undefined) process.stdout.write(text);
    else await writeFileAtomic(json, text);
  });
}

/** `spinegrad locate`: adds the coordinates that a table of discs lacks. */
import { join } from 'node:path';
import { Command } from 'commander';
import type { DeviceKind } from '../engine/openDevice.js';
import { interruptible } from './interruptible.js';
import { deviceOption } from './options.js';
import { terminalProgress } from './progress.js';

interface Flags {
  data: string;
  model: string;
  out: string;
  device: DeviceKind;
}

export function locateCommand(): Command {
  return new Command('locate')
    .description('find the discs of a table that have grades but no coordinates')
    .requiredOption('--data <folder>', 'folder with discs.csv')
    .requiredOption('--model <run>', 'folder of a finished run, trained on discs with coordinates')
    .requiredOption('--out <folder>', 'folder for the complete discs.csv')
    .addOption(deviceOption())
    .action(locate);
}

async function locate({ device: kind, ...options }: Flags): Promise<void> {
  const [{ openDevice }, { locateTable }] = await Promise.all([
    import('../engine/openDevice.js'),
    import('../predict/locateTable.js'),
  ]);
  const progress = terminalProgress();
  await interruptible(progress, 'nothing was written; run again', async (signal) => {
    using device = await openDevice(kind);
    const { open, found, skipped } = await locateTable(device, {
      ...options,
      signal,
      onProgress: (done, total) => progress.update('images', done, total),
    });
    progress.end();
    for (const { code, message } of skipped) console.error(`${code}: ${message}`);
    console.log(`${join(options.out, 'discs.csv')}: ${found} of ${open} discs without coordinates found`);
  });
}

import { Command } from 'commander';
import type { DeviceKind } from '../engine/device.js';
import { writeFileAtomic } from '../io/atomic.js';
import { deviceOption, millimetres } from './options.js';

interface Flags {
  model: string;
  json?: string;
  overlay?: string;
  arm?: string;
  spacing?: number;
  device: DeviceKind;
}

/** `spinegrad predict`: grades the five lumbar levels of one patient. */
export function predictCommand(): Command {
  return new Command('predict')
    .description('find the five lumbar discs on the canal slice and grade them; for research only')
    .argument('<input>', 'DICOM file or folder, NIfTI volume, or PNG of one sagittal slice, head up')
    .requiredOption('--model <run>', 'folder of a finished run')
    .option('--json <file>', 'write the result there instead of printing it')
    .option('--overlay <file>', 'write a PNG of the slice with dots, levels and grades')
    .option('--arm <name>', 'scratch, frozen or contrastive; default: the best on validation patients')
    .option('--spacing <mm>', 'pixel spacing of a PNG', millimetres)
    .addOption(deviceOption())
    .action(run);
}

async function run(input: string, flags: Flags): Promise<void> {
  const [{ openDevice }, { predict }, { overlay }] = await Promise.all([
    import('../engine/device.js'),
    import('../predict/predict.js'),
    import('../predict/overlay.js'),
  ]);
  using device = await openDevice(flags.device);
  const { model, arm, spacing } = flags;
  const { prediction, slice } = await predict(device, { input, model, arm, spacing });
  for (const warning of prediction.warnings) console.error(`warning: ${warning}`);
  const text = `${JSON.stringify(prediction, null, 2)}\n`;
  if (flags.overlay !== undefined) await writeFileAtomic(flags.overlay, overlay(slice, prediction));
  if (flags.json !== undefined) await writeFileAtomic(flags.json, text);
  else process.stdout.write(text);
}

import { Command } from 'commander';
import type { DeviceKind } from '../engine/openDevice.js';
import { writeFileAtomic } from '../io/atomic.js';
import { deviceOption, millimetres } from './options.js';

interface Flags {
  model: string;
  json?: string;
  overlay?: string;
  saliency?: string;
  arm?: string;
  spacing?: number;
  device: DeviceKind;
}

const EXIT_CODES = `
Exit codes:
  0  every level is graded in every task, without a doubt
  1  error
  2  invalid command line
  3  refused: the image does not look like a sagittal slice of the lumbar spine
  4  graded, but at least one level is doubtful ("doubtful" and "doubts" of the JSON) or not graded in a task ("notGraded")`;

/** Exit code if the grades of at least one level are doubtful or missing. */
const INCOMPLETE = 4;

/** `spinegrad predict`: grades the lumbar levels of one patient. */
export function predictCommand(): Command {
  return new Command('predict')
    .description('find the lumbar discs on the mid-sagittal slice and grade them; for research only')
    .argument('<input>', 'DICOM file or folder, NIfTI or MetaImage volume, or PNG of one sagittal slice')
    .requiredOption('--model <run>', 'folder of a finished run')
    .option('--json <file>', 'write the result to a file, and the grades as text to stdout')
    .option('--overlay <file>', 'write a PNG of the slice with disc centres, levels and grades')
    .option(
      '--saliency <file>',
      'write a PNG of the crops with Grad-CAM and input gradients of the first task',
    )
    .option('--arm <name>', 'arm that grades; default: the best on validation patients')
    .option('--spacing <mm>', 'pixel spacing of a PNG; default: from the distance of the discs', millimetres)
    .addOption(deviceOption())
    .addHelpText('after', EXIT_CODES)
    .action(run);
}

async function run(input: string, flags: Flags): Promise<void> {
  const [{ openDevice }, { predict }, { overlay }, { saliencySheet }, { textOf }] = await Promise.all([
    import('../engine/openDevice.js'),
    import('../predict/predict.js'),
    import('../predict/overlay.js'),
    import('../predict/saliency.js'),
    import('../predict/text.js'),
  ]);
  using device = await openDevice(flags.device);
  const { model, arm, spacing } = flags;
  const options = { input, model, arm, spacing, saliency: flags.saliency !== undefined };
  const { prediction, slice, saliency } = await predict(device, options);
  for (const warning of prediction.warnings) console.error(`warning: ${warning}`);
  for (const { message } of prediction.doubts) console.error(`doubtful: ${message}`);
  for (const { task, level, reason } of prediction.notGraded)
    console.error(`not graded: ${task}${level === null ? '' : ` ${level}`}: ${reason}`);
  const text = `${JSON.stringify(prediction, null, 2)}\n`;
  if (flags.overlay !== undefined) await writeFileAtomic(flags.overlay, overlay(slice, prediction));
  if (flags.saliency !== undefined && saliency.length > 0)
    await writeFileAtomic(flags.saliency, saliencySheet(saliency));
  if (flags.json !== undefined) {
    await writeFileAtomic(flags.json, text);
    process.stdout.write(textOf(prediction));
  } else process.stdout.write(text);
  if (prediction.doubtful || prediction.notGraded.length > 0) process.exitCode = INCOMPLETE;
}

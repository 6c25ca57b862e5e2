import { Command, Option } from 'commander';
import { SpinegradError } from '../error.js';
import { expectWritable, writeFileAtomic } from '../io/atomic.js';
import { count } from '../report/format.js';
import { EXIT } from './exitCodes.js';
import { deviceOption, millimetres, shardOption } from './options.js';
import type { ManyFlags } from './predictMany.js';

interface Flags extends Omit<ManyFlags, 'out'> {
  out?: string;
  list?: string;
  json?: string;
  overlay?: string;
  saliency?: string;
}

const EXIT_CODES = `
Exit codes:
  0  every level is graded in every task, without a doubt
  1  error
  2  invalid command line
  3  refused: the image does not look like a sagittal slice of the lumbar spine
  4  graded, but at least one level is doubtful ("doubtful" and "doubts" of the JSON) or not graded in a task ("notGraded"); with --out, also if a study failed`;

/** `spinegrad predict`: grades the lumbar levels of one study or of many. */
export function predictCommand(): Command {
  return new Command('predict')
    .description('find the lumbar discs on the mid-sagittal slice and grade them; for research only')
    .argument(
      '[inputs...]',
      'studies: DICOM files or folders, NIfTI or MetaImage volumes, or PNGs of one sagittal slice',
    )
    .requiredOption('--model <run>', 'folder of a finished run')
    .addOption(
      new Option('--json <file>', 'write the result to a file, and the grades as text to stdout').conflicts(
        'out',
      ),
    )
    .addOption(
      new Option(
        '--overlay <file>',
        'write a PNG of the slice with disc centres, levels and grades',
      ).conflicts('out'),
    )
    .addOption(
      new Option(
        '--saliency <file>',
        'write a PNG of the crops with Grad-CAM and input gradients of the first task',
      ).conflicts('out'),
    )
    .option(
      '--out <folder>',
      'grade any number of studies into this folder; the same command continues after a stop',
    )
    .option('--list <file>', 'text file with one study per line, for --out')
    .addOption(shardOption('with --out, only part i of n of the studies (default: that of the MPI rank)'))
    .option('--arm <name>', 'arm that grades; default: the best on validation patients')
    .option('--spacing <mm>', 'pixel spacing of a PNG; default: from the distance of the discs', millimetres)
    .addOption(deviceOption())
    .addHelpText('after', EXIT_CODES)
    .action(run);
}

async function run(inputs: string[], flags: Flags): Promise<void> {
  const { out, list, shard } = flags;
  if (out !== undefined) {
    const { gradeMany } = await import('./predictMany.js');
    return gradeMany(inputs, { ...flags, out });
  }
  const [input] = inputs;
  if (input === undefined || inputs.length > 1 || list !== undefined || shard !== undefined) {
    const found = list ? '--list' : shard ? '--shard' : count(inputs.length, 'input');
    throw new SpinegradError(
      'ERR_CONFIG',
      `predict: found ${found}; expected one study, or --out FOLDER for many`,
    );
  }
  for (const path of [flags.json, flags.overlay, flags.saliency]) await expectWritable(path);
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
  if (prediction.doubtful || prediction.notGraded.length > 0) process.exitCode = EXIT.incomplete;
}

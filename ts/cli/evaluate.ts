/** `spinegrad evaluate`: evaluates a finished run again, from its networks or from its predictions. */
import { Command } from 'commander';
import type { Layout } from '../data/layouts/layout.js';
import type { DeviceKind } from '../engine/openDevice.js';
import { SpinegradError } from '../error.js';
import { expectWritable, writeFileAtomic } from '../io/atomic.js';
import { interruptible } from './interruptible.js';
import { datasetOption, deviceOption } from './options.js';
import { terminalProgress } from './progress.js';

interface Flags {
  model?: string;
  predictions?: string[];
  data?: string;
  dataset?: Layout;
  includeTraining: boolean;
  json?: string;
  device: DeviceKind;
}

export function evaluateCommand(): Command {
  return new Command('evaluate')
    .description('evaluate finished runs again: their networks, or their predictions')
    .option('--model <run>', 'folder of a finished run: apply its localizer and graders to test studies')
    .option(
      '--data <folder>',
      "with --model: evaluate the studies of this folder that the run was not trained on; default: the run's test patients",
    )
    .option('--include-training', 'with --data: evaluate also studies that the run was trained on', false)
    .addOption(datasetOption())
    .option(
      '--predictions <files...>',
      'predictions.csv of one or more runs: recompute all results from them; the folds of a cross-validation are pooled',
    )
    .option('--json <file>', 'write the result to a file instead of stdout')
    .addOption(deviceOption())
    .action(evaluate);
}

async function evaluate(flags: Flags): Promise<void> {
  const { model, predictions, data, dataset: layout, includeTraining, json, device } = flags;
  if ((model === undefined) === (predictions === undefined) || (predictions && data !== undefined)) {
    throw new SpinegradError(
      'ERR_CONFIG',
      'evaluate: expected either --model, with or without --data, or --predictions',
    );
  }
  await expectWritable(json);
  const write = async (result: unknown) => {
    const text = `${JSON.stringify(result, null, 2)}\n`;
    if (json === undefined) process.stdout.write(text);
    else await writeFileAtomic(json, text);
  };
  if (predictions !== undefined) {
    const { evaluatePredictions } = await import('../training/evaluatePredictions.js');
    return await write(await evaluatePredictions(predictions));
  }
  const { evaluateModel } = await import('../training/evaluateModel.js');
  const progress = terminalProgress();
  await interruptible(progress, 'nothing was written; run again', async (signal) => {
    const options = { model: model!, data, layout, includeTraining, device, progress, signal };
    await write(await evaluateModel(options));
  });
}

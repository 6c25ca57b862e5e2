import { resolve } from 'node:path';
import { Command, Option } from 'commander';
import { countReasons, DEFAULT_ROI, DEFAULT_SLICE_SIZE, prepareBank } from '../data/bank.js';
import { DEFAULT_SPLIT } from '../data/split.js';
import type { BankManifest, RoiSpec } from '../data/types.js';
import { DEFAULT_TASK, taskIds, taskOf } from '../tasks/index.js';
import type { Task } from '../tasks/task.js';
import { interruptible } from './interruptible.js';
import { millimetres, wholeNumber } from './options.js';
import { terminalProgress } from './progress.js';

interface Flags {
  data: string;
  out: string;
  task: string;
  roiMode: RoiSpec['mode'];
  extentMm: number;
  size: number;
  neighbours: number;
  sliceSize: number;
  folds?: number;
  fold?: number;
  seed: number;
}

/** `spinegrad prepare`: cuts the ROI bank of a data folder. */
export function prepareCommand(): Command {
  return new Command('prepare')
    .description(
      'cut the ROI bank (pixels, manifest, contact sheet) of a data folder in the RSNA 2024 layout',
    )
    .requiredOption('--data <folder>', 'folder with the three CSV files and train_images')
    .requiredOption('--out <folder>', 'output folder')
    .option('--task <id>', 'condition, series, levels and grades', DEFAULT_TASK)
    .addOption(
      new Option('--roi-mode <mode>', 'ROI of a fixed extent in mm, or of native pixels')
        .choices(['mm', 'pixels'])
        .default(DEFAULT_ROI.mode),
    )
    .option('--extent-mm <mm>', 'side of a ROI in mm, for --roi-mode mm', millimetres, DEFAULT_ROI.extentMm)
    .option('--size <px>', 'side of a ROI in pixels', wholeNumber, DEFAULT_ROI.size)
    .option(
      '--neighbours <n>',
      'neighbouring slices to cut on each side of the annotated one',
      wholeNumber,
      DEFAULT_ROI.neighbours,
    )
    .option('--slice-size <px>', "side of the localizer's slices in pixels", wholeNumber, DEFAULT_SLICE_SIZE)
    .option('--folds <k>', 'split into k folds instead of 70/15/15 %', wholeNumber)
    .option('--fold <f>', 'with --folds: number of the test fold, from 0', wholeNumber)
    .option('--seed <n>', 'seed of the split by patient', wholeNumber, DEFAULT_SPLIT.seed)
    .addHelpText('after', `\nTasks: ${taskIds().join(', ')}`)
    .action(prepare);
}

async function prepare(flags: Flags): Promise<void> {
  const { data, out, sliceSize, seed, folds = null, fold = null } = flags;
  const task = taskOf(flags.task, '--task');
  const progress = terminalProgress();
  await interruptible(progress, 'no bank was written; run again', async (signal) => {
    const manifest = await prepareBank({
      data,
      out,
      task,
      sliceSize,
      roi: { size: flags.size, mode: flags.roiMode, extentMm: flags.extentMm, neighbours: flags.neighbours },
      split: { seed, folds, fold },
      onProgress: ({ done, total, skipped }) =>
        progress.update('preparing ROIs', done, total, skipped > 0 ? `${skipped} skipped` : ''),
      signal,
    });
    for (const line of summary(manifest, task)) console.log(line);
    console.log(`${resolve(out)}: bank.safetensors, manifest.json, contact-sheet.png`);
  });
}

/** Numbers of discs by split and grade, then the codes of skipped entries, each with an example. */
function summary(manifest: BankManifest, task: Task): string[] {
  const { studies, discs, rois, slices, classCounts, skipped, source } = manifest;
  const names = task.grades.map(({ name }) => name);
  const width = Math.max(10, ...names.map((name) => name.length + 2));
  const column = (value: string | number) => String(value).padStart(width);
  const lines = [
    `${studies} studies (${source}), ${discs} graded discs, ${rois.length} ROIs, ${slices.length} slices`,
    ['split'.padEnd(12), ...names.map(column)].join(''),
  ];
  for (const [split, counts] of Object.entries(classCounts)) {
    lines.push([split.padEnd(12), ...names.map((name) => column(counts[name]!))].join(''));
  }
  if (skipped.length > 0) lines.push(`${skipped.length} skipped (all are listed in manifest.json):`);
  for (const [code, count] of countReasons(skipped)) {
    const { path, message } = skipped.find((entry) => entry.code === code)!;
    lines.push(`  ${String(count).padStart(6)}  ${code}, for example ${path}: ${message}`);
  }
  return lines;
}

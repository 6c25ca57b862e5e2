import { resolve } from 'node:path';
import { Command, Option } from 'commander';
import { countReasons, DEFAULT_ROI, DEFAULT_SLICE_SIZE, prepareBank } from '../data/bank.js';
import type { Layout } from '../data/layouts/layout.js';
import { DEFAULT_SPLIT } from '../data/split.js';
import type { BankManifest, RoiSpec } from '../data/types.js';
import { taskIds } from '../tasks/index.js';
import { interruptible } from './interruptible.js';
import { datasetOption, millimetres, tasksOption, wholeNumber } from './options.js';
import { terminalProgress } from './progress.js';

interface Flags {
  data: string;
  out: string;
  task: string[];
  dataset?: Layout;
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
    .description('cut the ROI bank (pixels, manifest, contact sheet) of a data folder')
    .requiredOption('--data <folder>', 'data folder; docs/data.md describes the layouts')
    .requiredOption('--out <folder>', 'output folder')
    .addOption(tasksOption())
    .addOption(datasetOption())
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
  const {
    data,
    out,
    task: tasks,
    dataset: layout = null,
    sliceSize,
    seed,
    folds = null,
    fold = null,
  } = flags;
  const progress = terminalProgress();
  await interruptible(progress, 'no bank was written; run again', async (signal) => {
    const manifest = await prepareBank({
      data,
      out,
      tasks,
      layout,
      sliceSize,
      roi: { size: flags.size, mode: flags.roiMode, extentMm: flags.extentMm, neighbours: flags.neighbours },
      split: { seed, folds, fold },
      onProgress: ({ done, total, skipped }) =>
        progress.update('preparing ROIs', done, total, skipped > 0 ? `${skipped} skipped` : ''),
      signal,
    });
    for (const line of summary(manifest)) console.log(line);
    console.log(`${resolve(out)}: bank.safetensors, manifest.json, contact-sheet.png`);
  });
}

/** Per task the numbers of discs by split and grade, then the codes of skipped entries, each with an example. */
function summary(manifest: BankManifest): string[] {
  const { dataset, studies, discs, rois, slices, classCounts, skipped } = manifest;
  const lines = [
    `${studies} studies (${dataset}), ${discs} graded discs, ${rois.length} ROIs, ${slices.length} slices`,
  ];
  for (const { id, grades } of manifest.tasks) {
    const names = grades.map(({ name }) => name);
    const width = Math.max(10, ...names.map((name) => name.length + 2));
    const column = (value: string | number) => String(value).padStart(width);
    lines.push(id, ['split'.padEnd(12), ...names.map(column)].join(''));
    for (const [split, counts] of Object.entries(classCounts[id]!)) {
      lines.push([split.padEnd(12), ...names.map((name) => column(counts[name]!))].join(''));
    }
  }
  if (skipped.length > 0) lines.push(`${skipped.length} skipped (all are listed in manifest.json):`);
  for (const [code, count] of countReasons(skipped)) {
    const { path, message } = skipped.find((entry) => entry.code === code)!;
    lines.push(`  ${String(count).padStart(6)}  ${code}, for example ${path}: ${message}`);
  }
  return lines;
}

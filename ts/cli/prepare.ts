import { resolve } from 'node:path';
import { Command, Option } from 'commander';
import { prepareBank } from '../data/bank.js';
import { checkData, type DataCheck, summariseManifest } from '../data/check.js';
import { DEFAULT_ROI, DEFAULT_SLICE_SIZE } from '../data/cutBank.js';
import type { Layout } from '../data/layouts/layout.js';
import { DEFAULT_SPLIT } from '../data/split.js';
import type { RoiSpec } from '../data/types.js';
import { expectWritable, writeFileAtomic } from '../io/atomic.js';
import { columns } from '../report/console.js';
import { taskIds } from '../tasks/index.js';
import { interruptible } from './interruptible.js';
import { datasetOption, listOf, millimetres, tasksOption, wholeNumber } from './options.js';
import { terminalProgress } from './progress.js';

interface Flags {
  data: string;
  out?: string;
  check: boolean;
  json?: string;
  series?: string[];
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

/** `spinegrad prepare`: cuts the ROI bank of a data folder, or reports what the folder holds. */
export function prepareCommand(): Command {
  return new Command('prepare')
    .description('cut the ROI bank (pixels, manifest, contact sheet) of a data folder')
    .requiredOption('--data <folder>', 'data folder; docs/data.md describes the layouts')
    .option('--out <folder>', 'output folder')
    .option('--check', 'read everything and print what the data set holds; write no bank', false)
    .option('--json <file>', 'with --check: write the result to a file too')
    .addOption(tasksOption())
    .addOption(datasetOption())
    .addOption(
      new Option(
        '--series <names>',
        'kinds of series from which each disc is cut, separated by commas (default: the primary series of each task)',
      ).argParser(listOf),
    )
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

async function prepare(flags: Flags, command: Command): Promise<void> {
  const { data, out, check, json, task: tasks, dataset: layout = null, series = null } = flags;
  const { size, roiMode: mode, extentMm, neighbours, sliceSize, seed, folds = null, fold = null } = flags;
  if (check === (out !== undefined)) command.error('error: expected either --out <folder> or --check');
  if (json !== undefined && !check) command.error('error: --json is for --check');
  await expectWritable(json);
  const progress = terminalProgress();
  await interruptible(progress, 'nothing was written; run again', async (signal) => {
    const options = {
      data,
      tasks,
      layout,
      series,
      sliceSize,
      roi: { size, mode, extentMm, neighbours },
      split: { seed, folds, fold },
      onProgress: ({ done, total, skipped }: { done: number; total: number; skipped: number }) =>
        progress.update(
          check ? 'checking studies' : 'preparing ROIs',
          done,
          total,
          skipped > 0 ? `${skipped} skipped` : '',
        ),
      signal,
    };
    const found =
      out === undefined
        ? await checkData(options)
        : summariseManifest(await prepareBank({ ...options, out }));
    if (json !== undefined) await writeFileAtomic(json, `${JSON.stringify(found, null, 2)}\n`);
    for (const line of describe(found)) console.log(line);
    if (out !== undefined) console.log(`${resolve(out)}: bank.safetensors, manifest.json, contact-sheet.png`);
  });
}

/** The lines that `prepare` prints. */
function describe({
  dataset,
  layout,
  studies,
  discs,
  split,
  tasks,
  series,
  skipped,
  notices,
}: DataCheck): string[] {
  const lines = [
    `${dataset} (${layout} layout): ${studies} studies (${Object.entries(split)
      .map(([side, count]) => `${side} ${count}`)
      .join(', ')}), ${discs} graded discs`,
  ];
  for (const { id, studies: graded, discs: count, grades } of tasks) {
    const rows = Object.entries(grades).map(([side, counts]) => [side, ...Object.values(counts).map(String)]);
    lines.push('', `${id}: ${count} discs of ${graded} studies`);
    lines.push(...columns([['split', ...Object.keys(grades.train)], ...rows], 1));
  }
  const spacing = series.map(({ name, slices, discs: cut, spacing: { file, table, pitch } }) =>
    [name, slices, cut, file, table, pitch].map(String),
  );
  lines.push('', 'series, and rows by the origin of their pixel spacing');
  lines.push(...columns([['series', 'slices', 'discs', 'file', 'table', 'pitch'], ...spacing], 1));
  for (const [title, reasons] of [
    ['skipped', skipped],
    ['corrected or assumed', notices],
  ] as const) {
    if (reasons.length === 0) continue;
    lines.push('', `${reasons.reduce((sum, { count }) => sum + count, 0)} ${title}:`);
    for (const { code, count, example } of reasons)
      lines.push(`  ${String(count).padStart(6)}  ${code}, for example ${example.path}: ${example.message}`);
  }
  return lines;
}

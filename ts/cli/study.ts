/** `spinegrad study`: many trainings on one data set, their state and their results. */
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import type { Layout } from '../data/layouts/layout.js';
import type { DeviceKind } from '../engine/openDevice.js';
import { SpinegradError } from '../error.js';
import { commandLine } from '../io/commandLine.js';
import { count, duration } from '../report/format.js';
import type { PlanFile } from '../study/plan.js';
import type { Shard } from '../study/shards.js';
import type { Study } from '../study/study.js';
import { taskIds } from '../tasks/index.js';
import { ARM_NAMES } from '../training/arms.js';
import { DEFAULT_PRESET, PRESETS, parseSetting } from '../training/config.js';
import type { Progress } from '../training/progress.js';
import { interruptible } from './interruptible.js';
import {
  armsOption,
  collect,
  datasetOption,
  deviceOption,
  listOf,
  shardOption,
  tasksOption,
  wholeNumber,
} from './options.js';
import { terminalProgress } from './progress.js';
import { mpiRank } from './rank.js';
import { runWorkers } from './studyWorkers.js';

interface Flags {
  out?: string;
  data?: string;
  plan?: string;
  preset?: string;
  folds?: number;
  repeats?: number;
  labels?: number[];
  arms?: string[];
  task: string[];
  dataset?: Layout;
  set: string[];
  device: DeviceKind;
  jobs: number;
  shard: Shard;
  worker: boolean;
}

export function studyCommand(): Command {
  return new Command('study')
    .description(
      'train and test every cell of folds x repeats x label fractions x arms; the same command resumes a stopped study',
    )
    .enablePositionalOptions()
    .option('--out <folder>', 'folder of the study')
    .option('--data <folder>', 'data folder (docs/data.md describes the layouts)')
    .option('--plan <file>', 'plan as JSON (docs/study.md); other options override it')
    .addOption(datasetOption())
    .addOption(
      new Option('--preset <name>', `settings to start from (default: ${DEFAULT_PRESET})`).choices(
        Object.keys(PRESETS),
      ),
    )
    .option('--folds <k>', 'folds of the cross-validation (default: 5)', wholeNumber)
    .option('--repeats <n>', 'trainings of each fold with other seeds (default: 3)', wholeNumber)
    .option(
      '--labels <fractions>',
      'fractions of the training and validation patients that keep their grades (default: 0.1,0.25,0.5,1)',
      fractions,
    )
    .addOption(armsOption())
    .addOption(tasksOption())
    .addOption(
      new Option('--set <key=value>', 'change one setting, for example pretraining.epochs=5; repeatable')
        .argParser(collect)
        .default([] as string[], 'none'),
    )
    .addOption(deviceOption())
    .option('--jobs <n>', 'worker processes; a new study divides the cores between them', positive, 1)
    .addOption(
      shardOption('work on part i of n only; the parts have about equal work; i is 1 to n').default(
        { index: 1, count: 1 },
        '1/1',
      ),
    )
    .addOption(new Option('--worker').default(false).hideHelp())
    .addHelpText('after', `\nArms: ${ARM_NAMES.join(', ')}\nTasks: ${taskIds().join(', ')}`)
    .addCommand(statusCommand().exitOverride())
    .addCommand(reportCommand().exitOverride())
    .action(run);
}

const folderOption = (): Option => new Option('--out <folder>', 'folder of the study').makeOptionMandatory();

const statusCommand = (): Command =>
  new Command('status')
    .description('print what is done, running and failed, and the time that is left')
    .addOption(folderOption())
    .action(async ({ out }: { out: string }) => {
      const { readStudy } = await import('../study/study.js');
      const { studyStatus } = await import('../study/status.js');
      const { formatStatus } = await import('../study/statusText.js');
      for (const line of formatStatus(studyStatus(readStudy(resolve(out))))) console.log(line);
    });

const reportCommand = (): Command =>
  new Command('report')
    .description('write predictions.csv and the results of the cells that are complete')
    .addOption(folderOption())
    .action(async ({ out }: { out: string }) => {
      const { readStudy } = await import('../study/study.js');
      await report(readStudy(resolve(out)));
    });

async function run(flags: Flags, command: Command): Promise<void> {
  if (flags.out === undefined) command.error("error: required option '--out <folder>' not specified");
  const { openStudy } = await import('../study/study.js');
  const dir = resolve(flags.out!);
  const threads = Math.max(1, Math.floor(availableParallelism() / flags.jobs));
  const study = await openStudy(dir, await requestOf(flags), threads);
  const progress = terminalProgress();
  const { index: rank } = mpiRank(process.env) ?? { index: 1 };
  if (flags.worker || rank > 1) return await runWorker(study, flags, progress);
  const { folds, repeats, labels, arms } = study.plan;
  progress.line(
    `study ${dir}: ${study.cells.length} cells (${folds} folds, ${count(repeats, 'repeat')}, labels ${labels.join(', ')}, ` +
      `arms ${arms.join(', ')})`,
  );
  await interruptible(progress, `resume with: ${commandLine('study', '--out', dir)}`, async (signal) => {
    const { device, shard, jobs } = flags;
    const workers = { device, shard, progress, signal };
    await (jobs > 1 ? runWorkers(dir, jobs, workers) : work(study, workers));
    await finish(study);
  });
}

/** What the command line and the plan file request. */
async function requestOf(flags: Flags) {
  const { plan, data, preset, folds, repeats, labels, arms, task, dataset } = flags;
  const { readPlanFile } = await import('../study/plan.js');
  const changes = flags.set.map(parseSetting);
  if (task.length > 0) changes.push({ tasks: task });
  if (dataset !== undefined) changes.push({ data: { layout: dataset } });
  const file: PlanFile = plan === undefined ? {} : readPlanFile(resolve(plan));
  const given = {
    data: data ?? file.data,
    preset,
    folds,
    repeats,
    labels,
    arms,
  };
  return {
    ...file,
    ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)),
    ...(given.data === undefined ? {} : { data: resolve(given.data) }),
    changes,
  };
}

interface Workers {
  device: DeviceKind;
  shard: Shard;
  progress: Progress;
  signal: AbortSignal;
}

/** Works in this process, and prints a line after each unit. */
async function work(study: Study, options: Workers): Promise<void> {
  const { workOnStudy } = await import('../study/worker.js');
  const { studyStatus } = await import('../study/status.js');
  await workOnStudy(study, {
    ...options,
    onUnit({ id }, ended) {
      const { cells, planned, secondsLeft } = studyStatus(study);
      const done = cells.filter(({ state }) => state.state === 'done').length;
      const left = secondsLeft === null || done === planned ? '' : `, about ${duration(secondsLeft)} left`;
      options.progress.line(`cells ${done}/${planned}${left}: ${id} ${ended}`);
    },
  });
}

/** A child of `--jobs` or a rank of mpirun other than the first: prints lines only, and stops when its parent stops it or ends. */
async function runWorker(study: Study, { device, shard }: Flags, { line, end }: Progress): Promise<void> {
  const progress: Progress = { update() {}, line, end };
  const abort = new AbortController();
  const stop = () => abort.abort();
  // Ctrl-C reaches all processes of a terminal; the parent alone decides.
  process.on('SIGINT', () => {});
  process.on('SIGTERM', stop);
  process.on('disconnect', stop);
  // The parent may have ended before this line.
  if (process.connected === false) stop();
  try {
    await work(study, { device, shard, progress, signal: abort.signal });
  } catch (error) {
    if (!abort.signal.aborted) throw error;
  } finally {
    process.off('disconnect', stop);
  }
}

/** Reports the study if all cells have ended; fails if cells have failed. */
async function finish(study: Study): Promise<void> {
  const { studyStatus } = await import('../study/status.js');
  const { failuresOf } = await import('../study/statusText.js');
  const { cells } = studyStatus(study);
  const open = cells.filter(({ state }) => state.state === 'open' || state.state === 'running').length;
  const failed = cells.filter(({ state }) => state.state === 'failed' || state.state === 'blocked');
  const advice = `\`${commandLine('study', 'status', '--out', study.dir)}\` lists them`;
  if (open > 0) console.log(`${open} cells of other shards are left; ${advice}`);
  else if (failed.length < cells.length) await report(study);
  if (failed.length === 0) return;
  for (const line of failuresOf(failed)) console.error(line);
  throw new SpinegradError(
    'ERR_STUDY_FAILED',
    `${study.dir}: ${failed.length} of ${cells.length} cells failed; remove the causes and run the command again`,
  );
}

async function report(study: Study): Promise<void> {
  const { reportStudy } = await import('../study/assemble.js');
  await reportStudy(study);
  console.log(`report: ${resolve(study.dir, 'report.html')}`);
}

function fractions(text: string): number[] {
  return listOf(text).map((item) => {
    const value = Number(item);
    if (item !== '' && value > 0 && value <= 1) return value;
    throw new InvalidArgumentError('expected fractions above 0, at most 1, such as 0.1,0.5,1.');
  });
}

function positive(text: string): number {
  const value = wholeNumber(text);
  if (value > 0) return value;
  throw new InvalidArgumentError('expected a whole number above 0.');
}

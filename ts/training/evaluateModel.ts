/** Evaluates the networks of a finished run on its own test patients, or on the studies of another folder. */
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { type Bank, prepareBank, readBank } from '../data/bank.js';
import type { Layout } from '../data/layouts/layout.js';
import { trainedStudies } from '../data/seen.js';
import { withSide } from '../data/views.js';
import { type DeviceKind, openDevice } from '../engine/openDevice.js';
import { SpinegradError } from '../error.js';
import type { Summary } from '../evaluation/types.js';
import { writeError } from '../io/atomic.js';
import { loadModel } from '../model/bundle.js';
import type { ModelDescription } from '../model/description.js';
import { readModel } from '../model/readModel.js';
import type { Task } from '../tasks/task.js';
import { type Evaluated, evaluateArms } from './evaluateArms.js';
import { type Progress, silent } from './progress.js';
import { RoiDataset } from './roiDataset.js';
import { readIdentity, readRunBank } from './runFolder.js';
import { SliceDataset } from './sliceDataset.js';

export interface EvaluateOptions {
  /** Folder of a finished run. */
  model: string;
  /** A data folder; its studies are test patients, except those of the training. Default: the test patients of the run. */
  data?: string | undefined;
  /** Layout of the data folder; default: recognised by its files. */
  layout?: Layout | undefined;
  /** Also evaluate studies of `data` that the run was trained on or chose its epochs by; default false. */
  includeTraining?: boolean | undefined;
  /** Default `auto`. */
  device?: DeviceKind | undefined;
  /** Default: nothing is shown. */
  progress?: Progress | undefined;
  signal?: AbortSignal | undefined;
}

type Work = EvaluateOptions & { progress: Progress; signal: AbortSignal };

export type ModelEvaluation = Pick<Evaluated, 'localization' | 'tasks' | 'rsna'> & {
  synthetic: boolean;
  studies: number;
  /** Ids of the studies of `data` that are not evaluated, because the run was trained on their images. */
  trainingStudies: string[];
  skipped: Summary['data']['skipped'];
};

/**
 * Evaluates the localizer and all arms of a run.
 *
 * @example
 * const { tasks } = await evaluateModel({ model: 'runs/demo', data: 'other-hospital' });
 *
 * @throws SpinegradError of `loadModel` and `prepareBank`; ERR_BANK_*; ERR_DATA_EMPTY if the run was trained on all studies
 */
export async function evaluateModel(options: EvaluateOptions): Promise<ModelEvaluation> {
  const { model: dir, progress = silent, signal = new AbortController().signal } = options;
  const work = { ...options, progress, signal };
  const description = await readModel(dir);
  const own = options.data === undefined;
  const { bank, trainingStudies } = own
    ? { bank: await ownBank(dir, description), trainingStudies: [] }
    : withoutTraining(await otherBank(options.data!, description, work), description, work);
  const { threads, ...settings } = description.evaluation;
  using device = await openDevice(options.device, threads === null ? {} : { threads });
  const model = await loadModel(dir, device, 'all');
  const { input, normalisation } = description;
  const { localization, tasks, rsna } = await evaluateArms(
    { device, progress, signal },
    {
      bank,
      discs: new RoiDataset(device, bank, null, input),
      slices: new SliceDataset(device, bank, normalisation),
    },
    { localizer: model.localizer, sites: description.sites, arms: model.arms },
    settings,
  );
  const { synthetic, skipped } = bank.manifest;
  const studies = bank.manifest.studies - trainingStudies.length;
  return { synthetic, studies, trainingStudies, skipped, localization, tasks, rsna };
}

async function ownBank(model: string, { trainedOn }: ModelDescription): Promise<Bank> {
  const identity = readIdentity(model);
  if (!identity || !existsSync(join(model, 'bank'))) {
    throw new SpinegradError(
      'ERR_BANK_MISSING',
      `${model}: found no bank of the run's studies; name a folder of studies with --data`,
    );
  }
  const bank = await readRunBank(model, identity);
  const { tasks } = bank.manifest;
  if (isDeepStrictEqual(tasks, trainedOn.tasks)) return bank;
  throw new SpinegradError(
    'ERR_TASK_MISMATCH',
    `${join(model, 'model.json')}: the model grades ${idsOf(trainedOn.tasks)}, the bank of the run was cut for ${idsOf(tasks)}; ` +
      "copy the run's folder again",
  );
}

const idsOf = (tasks: readonly Task[]) => tasks.map(({ id }) => id).join(', ');

/** Leaves out the studies that the run was trained on: their grades would be too good. */
function withoutTraining(
  bank: Bank,
  { trainedImages }: ModelDescription,
  { model, includeTraining, progress }: Work,
): { bank: Bank; trainingStudies: string[] } {
  const trainingStudies = includeTraining ? [] : trainedStudies(bank, trainedImages);
  if (trainingStudies.length === 0) return { bank, trainingStudies };
  const { studies, dataDir } = bank.manifest;
  if (trainingStudies.length === studies) {
    throw new SpinegradError(
      'ERR_DATA_EMPTY',
      `${dataDir}: ${model} was trained on the images of all ${studies} studies; give other studies, or evaluate these with ` +
        '--include-training',
    );
  }
  progress.line(
    `left out ${trainingStudies.length} of ${studies} studies, because the run was trained on their images; ` +
      '--include-training evaluates them too',
  );
  return { bank: withSide(bank, trainingStudies, 'train'), trainingStudies };
}

/** Cuts the bank of another folder as the model's own was cut; all studies are test patients. */
async function otherBank(
  data: string,
  { roi, input, localizer, trainedOn }: ModelDescription,
  { layout, progress, signal }: Work,
): Promise<Bank> {
  const out = await mkdtemp(join(tmpdir(), 'spinegrad-')).catch((cause) => {
    throw writeError(tmpdir(), cause);
  });
  try {
    await prepareBank({
      data,
      out,
      layout: layout ?? null,
      tasks: trainedOn.tasks,
      series: input.spec.fusion === 'none' ? null : input.spec.series,
      roi: { ...roi, neighbours: (input.spec.slices - 1) / 2 },
      sliceSize: localizer.network.sliceSize,
      split: { seed: 0, fractions: { train: 0, validation: 0, test: 1 } },
      onProgress: ({ done, total }) => progress.update('preparing ROIs', done, total),
      signal,
    });
    return await readBank(out);
  } finally {
    await rm(out, { recursive: true, force: true });
  }
}

/** The workloads with spinegrad. Each writes its inputs to the folder, where PyTorch reads them. */
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { prepareBank } from '#spinegrad/data/bank.js';
import { cropRoi } from '#spinegrad/data/roi.js';
import { dicomSlices } from '#spinegrad/data/series.js';
import { parseDicom } from '#spinegrad/dicom/read.js';
import { backward, noGrad } from '#spinegrad/engine/autograd.js';
import type { Device } from '#spinegrad/engine/device.js';
import { type AugmentOptions, augment, augmentGeometry } from '#spinegrad/engine/ops/augment.js';
import { clipGradNorm } from '#spinegrad/engine/ops/clipGradNorm.js';
import { relu } from '#spinegrad/engine/ops/elementwise.js';
import { focalLoss } from '#spinegrad/engine/ops/focalLoss.js';
import { infoNCE } from '#spinegrad/engine/ops/infoNCE.js';
import type { Tensor } from '#spinegrad/engine/tensor.js';
import { tidy } from '#spinegrad/engine/tidy.js';
import { writeSafetensors } from '#spinegrad/io/safetensors.js';
import { fusionSpec } from '#spinegrad/model/fusion/spec.js';
import { Grader } from '#spinegrad/model/grader.js';
import { classWeights } from '#spinegrad/model/heads/classWeights.js';
import { ProjectionHead } from '#spinegrad/model/projection.js';
import { foldBatchNorms } from '#spinegrad/nn/fold.js';
import type { Module } from '#spinegrad/nn/module.js';
import { resnet18 } from '#spinegrad/nn/resnet.js';
import { RandomStream } from '#spinegrad/random.js';
import { SPINAL_CANAL_STENOSIS } from '#spinegrad/tasks/rsna.js';
import { ARMS } from '#spinegrad/training/arms.js';
import { changeConfig, resolveConfig } from '#spinegrad/training/config.js';
import { finetuning } from '#spinegrad/training/finetune.js';
import { pretraining } from '#spinegrad/training/pretrain.js';
import { type RoiBank, RoiDataset } from '#spinegrad/training/roiDataset.js';
import { StepKeys, Steps, type Training } from '#spinegrad/training/steps.js';
import type { Job, Options } from './job.js';

type Workload = (device: Device, options: Options, folder: string) => Promise<Job>;

const SIDE = 96;
const BANK_ROWS = 512;
const config = resolveConfig('paper');
const { translation, ...strengths } = config.augmentation;
const NORMALISATION = { mean: 0.4, std: 0.2 };
const INPUT = { spec: fusionSpec('none', ['T2'], 0), normalisation: [NORMALISATION] };
const AUGMENTATION: AugmentOptions = { ...NORMALISATION, ...strengths, translation: translation * SIDE };
const CLASS_WEIGHTS = [0.6, 1.3, 1.9];

const normals = (count: number, seed: number): Float32Array => {
  const random = new RandomStream(seed);
  return Float32Array.from({ length: count }, () => random.normal(0, 1));
};

/** Smooth synthetic images, each a sum of two waves. */
function images(): Uint16Array {
  const random = new RandomStream(7);
  const pixels = new Uint16Array(BANK_ROWS * SIDE * SIDE);
  for (let row = 0; row < BANK_ROWS; row++) {
    const [a, b, c] = [random.uniform(0.05, 0.3), random.uniform(0.05, 0.3), random.uniform(0, 6)];
    for (let i = 0; i < SIDE * SIDE; i++) {
      const value = 0.4 + 0.15 * Math.sin(a * (i % SIDE) + c) + 0.15 * Math.cos(b * Math.floor(i / SIDE) - c);
      pixels[row * SIDE * SIDE + i] = Math.round(65_535 * value);
    }
  }
  return pixels;
}

const rowsOf = (count: number, step: number): Int32Array =>
  Int32Array.from({ length: count }, (_, index) => (index * 37 + step * count) % BANK_ROWS);

async function save(
  folder: string,
  tensors: Record<string, { shape: number[]; data: Float32Array | Int32Array | Uint16Array }>,
) {
  await writeSafetensors(join(folder, 'inputs.safetensors'), tensors);
}

async function stateOf(modules: Record<string, Module>) {
  const entries: [string, { shape: number[]; data: Float32Array }][] = [];
  for (const [key, module] of Object.entries(modules)) {
    for (const [name, tensor] of module.state()) {
      entries.push([
        `${key}.${name}`,
        { shape: [...tensor.shape], data: (await tensor.data()) as Float32Array },
      ]);
    }
  }
  return Object.fromEntries(entries);
}

const GRADES = 3;
const HEADS = [{ task: SPINAL_CANAL_STENOSIS.id, head: 'softmax', grades: GRADES }] as const;
/** Grades of consecutive discs: six normal, three moderate, one severe. */
const GRADE_CYCLE = [0, 0, 0, 0, 0, 0, 1, 1, 1, 2] as const;

/** A bank of discs with one row each. */
const roiBank = (): RoiBank => ({
  manifest: {
    roi: { size: SIDE, neighbours: 0 },
    tasks: [SPINAL_CANAL_STENOSIS],
    series: ['T2'],
    rois: Array.from({ length: BANK_ROWS }, (_, row) => ({
      disc: row,
      row,
      studyId: `${row}`,
      seriesId: '1',
      series: 'T2',
      level: 'L4/L5' as const,
      side: null,
      grades: [GRADE_CYCLE[row % GRADE_CYCLE.length]!],
      sliceOffset: 0,
      split: 'train' as const,
    })),
  },
  rois: images(),
});

/** Runs the steps of a training stage; `plain` is the same stage without augmentation and dropout. */
function stepsJob<Item>(stage: Training<Item>, plain: Training<Item>, { dispose }: { dispose(): void }): Job {
  const steps = new Steps(stage, 1);
  const perEpoch = steps.count(1);
  let done = 0;
  return {
    /** The next step is enqueued before the loss of the previous one is read, as in a run. */
    async run(calls) {
      let pending: Promise<number> | undefined;
      for (let call = 0; call < calls; call++) {
        const loss = steps.run(1 + Math.floor(done / perEpoch), done++ % perEpoch);
        const value = loss.item().finally(() => loss.dispose());
        await pending;
        pending = value;
      }
      await pending;
    },
    /** The loss of the first items, and the norm of its gradient. */
    async values() {
      const loss = tidy(() => {
        const value = plain.lossOf(plain.items.slice(0, plain.batchSize), new StepKeys(1, 1, 0, 0));
        backward(value);
        return value;
      });
      const norm = clipGradNorm(plain.groups, 1e9);
      const values = [await loss.item(), await norm.item()].map((value) => Float32Array.of(value));
      steps.optimizer.zeroGrad();
      for (const tensor of [loss, norm]) tensor.dispose();
      return values;
    },
    dispose() {
      steps[Symbol.dispose]();
      dispose();
    },
  };
}

/** The training steps of ts/training on a synthetic bank. */
const training: Workload = async (device, { task, batch }, folder) => {
  const n = Number(batch);
  const build = { device, random: new RandomStream(1) };
  const encoder = resnet18(build);
  const bank = roiBank();
  const datasets: RoiDataset[] = [];
  /** A dataset and settings with the batch size of the workload, with or without random views and dropout. */
  const prepared = (random: boolean) => {
    const change = {
      pretraining: { discs: n / 2 },
      finetuning: { batch: n, ...(random ? {} : { dropout: 0 }) },
    };
    const discs = new RoiDataset(device, bank, random ? config.augmentation : null, INPUT);
    datasets.push(discs);
    return [{ config: changeConfig(config, change), device }, discs] as const;
  };
  const modules: Module[] = [];
  const dispose = () => {
    for (const disposable of [...modules, ...datasets]) disposable.dispose();
  };
  const pixels = { shape: [BANK_ROWS, SIDE, SIDE], data: bank.rois };
  const int32 = (values: readonly number[]) => ({ shape: [values.length], data: Int32Array.from(values) });

  if (task === 'pretraining') {
    const projection = new ProjectionHead(build, encoder.features, config.pretraining.projection);
    modules.push(encoder, projection);
    const networks = { encoder, projection };
    const ids = Array.from({ length: n }, (_, index) => index % (n / 2));
    await save(folder, {
      ...(await stateOf({ encoder, head: projection })),
      ...{ bank: pixels, rows: int32(ids), labels: int32(ids) },
    });
    const stages = [true, false].map((random) => pretraining(...prepared(random), networks));
    return stepsJob(stages[0]!, stages[1]!, { dispose });
  }
  const arm = ARMS.find(({ rates, encoder: source }) => rates && source === 'pretrained')!;
  const grader = new Grader(build, encoder, { heads: HEADS });
  modules.push(grader);
  const stages = [true, false].map((random) => finetuning(...prepared(random), arm, grader));
  const { items } = stages[0]!;
  const counts = Array.from(
    { length: GRADES },
    (_, i) => items.filter(({ grades }) => grades[0] === i).length,
  );
  const weights = Float32Array.from(classWeights(counts, config.finetuning.alpha));
  await save(folder, {
    ...(await stateOf({ encoder, head: grader.heads.layers[0]! })),
    bank: pixels,
    rows: int32(items.slice(0, n).map(({ row }) => row)),
    labels: int32(items.slice(0, n).map(({ grades }) => grades[0]!)),
    class_weights: { shape: [weights.length], data: weights },
  });
  return stepsJob(stages[0]!, stages[1]!, { dispose });
};

/** From pixels on the host to logits on the host. */
const inference: Workload = async (device, { batch }, folder) => {
  const n = Number(batch);
  const build = { device, random: new RandomStream(1) };
  const grader = new Grader(build, resnet18(build), { heads: HEADS });
  // Running statistics that differ from their initial values.
  for (const [name, tensor] of grader.state()) {
    if (/running_mean$/.test(name)) tensor.write(normals(tensor.size, 3).map((value) => 0.1 * value));
    if (/running_var$/.test(name))
      tensor.write(normals(tensor.size, 4).map((value) => 1 + 0.2 * Math.abs(value)));
  }
  const pixels = normals(n * SIDE * SIDE, 5);
  await save(folder, {
    ...(await stateOf({ encoder: grader.encoder, head: grader.heads.layers[0]! })),
    images: { shape: [n, 1, SIDE, SIDE], data: pixels },
  });
  await foldBatchNorms(grader.eval());
  const logits = async (): Promise<Float32Array> => {
    using y = noGrad(() => tidy(() => grader.forward(device.tensor(pixels, [n, 1, SIDE, SIDE]))[0]!));
    return (await y.data()) as Float32Array;
  };
  return {
    async run(calls) {
      for (let call = 0; call < calls; call++) await logits();
    },
    values: async () => [await logits()],
    dispose: () => grader.dispose(),
  };
};

/** Computes a loss and its gradient. */
function lossJob(inputs: Tensor, targets: Tensor, loss: (x: Tensor, y: Tensor) => Tensor): Job {
  inputs.requiresGrad = true;
  const step = (): Tensor => {
    inputs.grad?.dispose();
    inputs.grad = undefined;
    const value = loss(inputs, targets);
    backward(value);
    return value;
  };
  return {
    async run(calls) {
      for (let call = 0; call < calls; call++) {
        using value = step();
        await value.item();
      }
    },
    async values() {
      using value = step();
      return [Float32Array.of(await value.item()), (await inputs.grad!.data()) as Float32Array];
    },
    dispose() {
      inputs.grad?.dispose();
      inputs.dispose();
      targets.dispose();
    },
  };
}

const contrast: Workload = async (device, { rows }, folder) => {
  const n = Number(rows);
  const data = normals(n * 128, 6);
  for (let row = 0; row < n; row++) {
    const embedding = data.subarray(128 * row, 128 * row + 128);
    const norm = Math.hypot(...embedding);
    for (let i = 0; i < 128; i++) embedding[i]! /= norm;
  }
  const labels = Int32Array.from({ length: n }, (_, index) => index % Math.floor(n / 5));
  await save(folder, { embeddings: { shape: [n, 128], data }, labels: { shape: [n], data: labels } });
  return lossJob(device.tensor(data, [n, 128]), device.tensor(labels), (x, y) =>
    infoNCE(x, y, { temperature: 0.1 }),
  );
};

const focal: Workload = async (device, { rows }, folder) => {
  const n = Number(rows);
  const data = normals(3 * n, 8);
  const targets = Int32Array.from({ length: n }, (_, index) => (index * 7919) % 3);
  await save(folder, { logits: { shape: [n, 3], data }, targets: { shape: [n], data: targets } });
  return lossJob(device.tensor(data, [n, 3]), device.tensor(targets), (x, y) =>
    focalLoss(x, y, { gamma: 2, alpha: CLASS_WEIGHTS }),
  );
};

const augmentation: Workload = async (device, { batch }, folder) => {
  const n = Number(batch);
  const pixels = images();
  const geometry = { rotation: 10, scale: 0.15, translation: 6 };
  const maps = Array.from({ length: n }, (_, row) =>
    augmentGeometry(SIDE, row, { seed: 1, step: 0 }, geometry),
  );
  await save(folder, {
    bank: { shape: [BANK_ROWS, SIDE, SIDE], data: pixels },
    maps: { shape: [n, 2, 3], data: Float32Array.from(maps.flat()) },
  });
  const bank = device.tensor(pixels, [BANK_ROWS, SIDE, SIDE]);
  const views = (step: number, options: AugmentOptions): Tensor =>
    tidy(() => augment(bank, device.tensor(rowsOf(n, step)), { seed: 1, step }, options));
  let done = 0;
  return {
    async run(calls) {
      for (let call = 0; call < calls; call++) {
        const output = views(done++, AUGMENTATION);
        await device.synchronize();
        output.dispose();
      }
    },
    /** Only the affine maps: each side draws its other random numbers itself. */
    async values() {
      using output = views(0, { ...geometry, ...NORMALISATION });
      return [(await output.data()) as Float32Array];
    },
    dispose: () => bank.dispose(),
  };
};

/** DICOM files to regions of interest on one thread, as in a worker of `prepare`. */
const dicom: Workload = async (_, { files }, folder) => {
  const paths = String(files).split('\n');
  const spec = { size: SIDE, mode: 'mm', extentMm: 60 } as const;
  const roiOf = async (path: string): Promise<Uint16Array> => {
    const [slice] = dicomSlices(await parseDicom(readFileSync(path), path));
    const { columns, rows } = slice!;
    return cropRoi({ ...slice!, geometry: null }, [columns / 2, rows / 2], spec).pixels;
  };
  await writeFile(join(folder, 'files.json'), JSON.stringify(paths));
  return {
    async run(calls) {
      for (let call = 0; call < calls; call++) for (const path of paths) await roiOf(path);
    },
    async values() {
      const rois: number[] = [];
      for (const path of paths) rois.push(...(await roiOf(path)));
      return [Float32Array.from(rois)];
    },
    dispose() {},
  };
};

/** Writes the bank of a folder of studies with the given number of threads. */
const prepare: Workload = async (_, { data, threads }, folder) => {
  return {
    async run(calls) {
      for (let call = 0; call < calls; call++) {
        await prepareBank({ data: String(data), out: folder, threads: Number(threads) });
      }
    },
    values: async () => [],
    dispose() {},
  };
};

/** Enqueues calls without waiting: the cost of a call in JavaScript. */
const enqueue: Workload = async (device) => {
  const x = device.tensor([1]);
  return {
    async run(calls) {
      for (let call = 0; call < calls; call++) relu(x).dispose();
    },
    values: async () => [(await x.data()) as Float32Array],
    dispose: () => x.dispose(),
  };
};

export const WORKLOADS: Readonly<Record<string, Workload>> = {
  training,
  inference,
  contrast,
  focal,
  augmentation,
  dicom,
  prepare,
  enqueue,
};

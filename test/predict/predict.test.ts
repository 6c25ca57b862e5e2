import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decode, encode } from 'fast-png';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LEVELS } from '#spinegrad/anatomy.js';
import { predictCommand } from '#spinegrad/cli/predict.js';
import { readPng } from '#spinegrad/data/png.js';
import { openDevice } from '#spinegrad/engine/device.js';
import { provenance } from '#spinegrad/io/provenance.js';
import { readSafetensors, writeSafetensors } from '#spinegrad/io/safetensors.js';
import { loadModel, writeModel } from '#spinegrad/model/bundle.js';
import { Grader } from '#spinegrad/model/grader.js';
import { ResNet } from '#spinegrad/nn/resnet.js';
import { predict } from '#spinegrad/predict/predict.js';
import { RandomStream } from '#spinegrad/random.js';
import { DEFAULT_TASK, taskOf } from '#spinegrad/tasks/index.js';
import { newLocalizer } from '#spinegrad/training/localize.js';
import { tinyDicom } from '../data/layout.js';
import { tinyBank, tinyConfig } from './tiny.js';

const device = await openDevice('cpu', { threads: 2 });
afterAll(() => device.close());

const task = taskOf(DEFAULT_TASK);
const heads = [{ task: task.id, head: 'softmax', grades: task.grades.length }] as const;
const [WIDTH, HEIGHT] = [120, 100];
let folder: string;
let model: string;
let png: string;

/** Records the hash of a changed weight file in model.json. */
async function recordHash(dir: string, name: string): Promise<void> {
  const path = join(dir, 'model.json');
  const file = `weights/${name}.safetensors`;
  const model = JSON.parse(await readFile(path, 'utf8'));
  for (const { weights } of [model.localizer, ...model.arms]) {
    if (weights.file !== file) continue;
    weights.sha256 = createHash('sha256')
      .update(await readFile(join(dir, file)))
      .digest('hex');
  }
  await writeFile(path, JSON.stringify(model));
}

/** Changes the weights of the head and their hash in model.json. */
async function changeWeights(dir: string, name: string, change: (data: Float32Array) => void): Promise<void> {
  const path = join(dir, `weights/${name}.safetensors`);
  const tensors = await readSafetensors(path);
  const [, tensor] = [...tensors].find(([key]) => /^(network\.)?heads?\..*weight$/.test(key))!;
  change(tensor.data as Float32Array);
  await writeSafetensors(path, tensors as Map<string, { shape: number[]; data: Float32Array }>);
  await recordHash(dir, name);
}

/** Writes a model with random weights; `scratch` replaces the grader of that arm. */
async function randomModel(spreadP95: number, scratch?: Grader): Promise<string> {
  const dir = await mkdtemp(join(folder, 'model-'));
  const config = tinyConfig();
  const { manifest } = tinyBank({ train: 1, validation: 1, test: 1 });
  const arm = (name: string, validationBalancedAccuracy: number | null) => {
    const build = { device, random: new RandomStream(validationBalancedAccuracy === null ? 1 : 2) };
    const grader =
      (name === 'scratch' ? scratch : undefined) ??
      new Grader(build, new ResNet(build, config.encoder), { heads });
    return { name, grader, bestEpoch: 1, validationBalancedAccuracy };
  };
  const network = newLocalizer({ config, device });
  const half = { mean: 0.5, std: 0.25 };
  const arms = [arm('scratch', null), arm('frozen', 0.7), arm('contrastive', 0.6)];
  await writeModel(dir, {
    preset: config.preset,
    config,
    evaluation: { seed: 1, resamples: 20, threads: null },
    program: provenance(),
    manifest,
    normalisation: { rois: half, slices: half },
    localizer: { network, rmseMm: 3, spreadP95 },
    arms,
  });
  network.dispose();
  for (const { grader } of arms) grader.dispose();
  return dir;
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'spinegrad-predict-'));
  model = await randomModel(1);
  png = join(folder, 'slice.png');
  const data = Uint8Array.from({ length: WIDTH * HEIGHT }, (_, i) => (i % WIDTH) + (i % 7) * 9);
  await writeFile(png, encode({ width: WIDTH, height: HEIGHT, data, channels: 1, depth: 8 }));
});

describe('a model', () => {
  it('loads the weights that were written, and the recommended arm by default', async () => {
    const loaded = await loadModel(model, device);
    expect(loaded.arms[0]!.name).toBe('frozen');
    expect(loaded.description.trainedOn).toMatchObject({ synthetic: true, fingerprint: 'tiny' });
    const stored = await readSafetensors(join(model, 'weights/grader-frozen.safetensors'));
    expect(
      await loaded.arms[0]!.grader.state().get('heads.rsna_spinal_canal_stenosis.weight')!.data(),
    ).toEqual(stored.get('heads.rsna_spinal_canal_stenosis.weight')!.data);
    expect([...stored.keys()]).toContain('encoder.layer1.0.conv1.weight');
    expect(loaded.arms[0]!.grader.training).toBe(false);
    loaded.dispose();
    const scratch = await loadModel(model, device, 'scratch');
    expect(scratch.arms[0]!.name).toBe('scratch');
    scratch.dispose();
  });

  it('is refused if a file is missing, damaged or of another version', async () => {
    const code = (dir: string, arm?: string) => loadModel(dir, device, arm).catch((error) => error.code);
    expect(await code(folder)).toBe('ERR_MODEL_MISSING');
    expect(await code(model, 'best')).toBe('ERR_MODEL_ARM');
    const broken = await randomModel(1);
    const path = join(broken, 'model.json');
    const text = await readFile(path, 'utf8');
    await writeFile(path, text.slice(0, -5));
    expect(await code(broken)).toBe('ERR_MODEL');
    await writeFile(path, text.replace('"version": 3', '"version": 2'));
    expect(await code(broken)).toBe('ERR_MODEL');
    await writeFile(path, text);
    const weights = join(broken, 'weights/localizer.safetensors');
    await writeSafetensors(weights, { other: { shape: [1], data: new Float32Array(1) } });
    expect(await code(broken)).toBe('ERR_MODEL_WEIGHTS');
    await recordHash(broken, 'localizer');
    expect(await code(broken)).toBe('ERR_WEIGHTS');
    await writeFile(weights, 'cut');
    await recordHash(broken, 'localizer');
    expect(await code(broken)).toBe('ERR_SAFETENSORS_TRUNCATED');
    await rm(weights);
    expect(await code(broken)).toBe('ERR_FILE_NOT_FOUND');
  });

  it.each([
    [
      '"head": "softmax"',
      '"head": "probit"',
      /arms\.0\.network\.heads\.0\.head: found "probit"; expected one of "softmax"\|/,
    ],
    ['"layout": "rsna"', '"layout": "pacs"', /trainedOn\.layout: found "pacs"; expected one of "rsna"\|/],
    ['"L5/S1"', '"S1/S2"', /trainedOn\.tasks\.0\.levels\.4: found "S1\/S2"; expected one of .*"L5\/S1"/],
    ['"synthetic": true', '"synthetic": "yes"', /trainedOn\.synthetic: found "yes"; expected boolean/],
  ])('is refused with %s instead of what this version knows', async (known, unknown, message) => {
    const broken = await randomModel(1);
    const path = join(broken, 'model.json');
    const text = await readFile(path, 'utf8');
    expect(text).toContain(known);
    await writeFile(path, text.replace(known, unknown));
    await expect(loadModel(broken, device)).rejects.toMatchObject({
      code: 'ERR_MODEL',
      message: expect.stringMatching(message),
    });
  });

  it('is refused if a weight file was exchanged; the error has the file and both hashes', async () => {
    const exchanged = await randomModel(1);
    const path = join(exchanged, 'weights/grader-frozen.safetensors');
    const bytes = await readFile(path);
    bytes[bytes.length - 1]! ^= 1;
    await writeFile(path, bytes);
    const hash = createHash('sha256').update(bytes).digest('hex');
    await expect(loadModel(exchanged, device)).rejects.toMatchObject({
      code: 'ERR_MODEL_WEIGHTS',
      message: expect.stringMatching(
        `${path}: found a file with SHA-256 ${hash}, model\\.json expects [0-9a-f]{64}`,
      ),
    });
    (await loadModel(exchanged, device, 'scratch')).dispose();
  });

  it.each(['localizer', 'grader-frozen'])(
    'is refused with NaN in %s, even if the hash matches',
    async (name) => {
      const broken = await randomModel(1);
      await changeWeights(broken, name, (data) => data.fill(Number.NaN, 1, 2));
      await expect(loadModel(broken, device)).rejects.toMatchObject({ code: 'ERR_NOT_FINITE' });
    },
  );

  it('is not written with weights that are not finite', async () => {
    const build = { device, random: new RandomStream(1) };
    using grader = new Grader(build, new ResNet(build, tinyConfig().encoder), { heads });
    grader
      .state()
      .get('heads.rsna_spinal_canal_stenosis.bias')!
      .write(Float32Array.of(0, Infinity, 0));
    await expect(randomModel(1, grader)).rejects.toMatchObject({ code: 'ERR_NOT_FINITE' });
  });

  it('of an unfinished run is refused with the command to resume', async () => {
    const dir = join(folder, 'unfinished');
    await mkdir(dir);
    await writeFile(join(dir, 'config.json'), '{}');
    await expect(loadModel(dir, device)).rejects.toThrow('--resume');
  });
});

describe('predict', () => {
  it('grades five levels of a PNG and reports centres in its pixels', async () => {
    const { prediction, slice } = await predict(device, { input: png, model, spacing: 0.8 });
    expect(slice).toEqual(await readPng(png, [0.8, 0.8]));
    expect(prediction.slice).toMatchObject({ columns: WIDTH, rows: HEIGHT, position: 1, of: 1 });
    expect(prediction.orientation.agreesWithHeader).toBeNull();
    expect(prediction.model.arm).toBe('frozen');
    expect(prediction.warnings.join()).toContain('synthetic');
    // A network with random weights locates all discs at about the same point.
    expect(prediction.warnings.join()).toMatch(
      /L1\/L2 and L2\/L3 were found \d+ mm apart, expected 15 to 50/,
    );
    expect(prediction.levels.map(({ level }) => level)).toEqual(LEVELS);
    for (const { x, y, probabilities, grade, confidence } of prediction.levels) {
      expect(x >= 0 && x <= WIDTH - 1 && y >= 0 && y <= HEIGHT - 1).toBe(true);
      expect(Object.keys(probabilities)).toEqual(task.grades.map(({ name }) => name));
      expect(Object.values(probabilities).reduce((sum, p) => sum + p, 0)).toBeCloseTo(1, 5);
      expect(probabilities[grade]).toBe(Math.max(...Object.values(probabilities)));
      expect(confidence).toBeGreaterThan(0);
      expect(confidence).toBeLessThanOrEqual(1);
    }
  });

  it.each(['localizer', 'grader-frozen'])(
    'is an error if finite weights of %s overflow in the network',
    async (name) => {
      const overflowing = await randomModel(1);
      await changeWeights(overflowing, name, (data) => data.fill(3e38));
      await expect(predict(device, { input: png, model: overflowing, spacing: 0.8 })).rejects.toMatchObject({
        code: 'ERR_NOT_FINITE',
      });
    },
  );

  it('gives the same bits twice', async () => {
    const options = { input: png, model, spacing: 0.8 };
    expect((await predict(device, options)).prediction).toEqual((await predict(device, options)).prediction);
  });

  it('takes the middle slice of a DICOM folder and states its orientation', async () => {
    const series = await mkdtemp(join(folder, 'series-'));
    for (const instanceNumber of [1, 2, 3]) {
      const bytes = tinyDicom({ instanceNumber, x: 4 * instanceNumber });
      await writeFile(join(series, `${instanceNumber}.dcm`), bytes);
    }
    const { prediction } = await predict(device, { input: series, model });
    expect(prediction.slice).toMatchObject({ instanceNumber: 2, position: 2, of: 3 });
    expect(prediction.orientation.superior).toBe('top');
    expect(prediction.orientation.agreesWithHeader).toBe(prediction.orientation.anterior === 'left');
  });

  it('refuses unreadable input, other series and images that are not a lumbar spine', async () => {
    const code = (input: string, options: { model?: string; spacing?: number } = {}) =>
      predict(device, { input, model, ...options }).catch((error) => error.code);
    expect(await code(png)).toBe('ERR_PIXEL_SPACING');
    expect(await code(join(folder, 'none.dcm'))).toBe('ERR_FILE_NOT_FOUND');
    const axial = join(folder, 'axial.dcm');
    await writeFile(axial, tinyDicom({ instanceNumber: 1, x: 0, axial: true }));
    expect(await code(axial)).toBe('ERR_SERIES_NOT_FOUND');
    const strict = await randomModel(1e-6);
    expect(await code(png, { model: strict, spacing: 0.8 })).toBe('ERR_NOT_LUMBAR');
  });

  it('writes JSON, and an overlay whose sides are a multiple of the slice', async () => {
    const [json, overlay] = [join(folder, 'out.json'), join(folder, 'out.png')];
    const flags = ['--model', model, '--spacing', '0.8', '--arm', 'scratch', '--device', 'cpu'];
    await predictCommand().parseAsync([png, ...flags, '--json', json, '--overlay', overlay], {
      from: 'user',
    });
    const written = JSON.parse(await readFile(json, 'utf8'));
    expect(written.model.arm).toBe('scratch');
    expect(written.levels).toHaveLength(5);
    const image = decode(await readFile(overlay));
    expect([image.width, image.height, image.channels]).toEqual([7 * WIDTH, 7 * HEIGHT, 3]);
  });
});

describe('doctor', () => {
  it('prints the device that would be used and exits with 0', () => {
    const script = `import('#spinegrad/cli/doctor.js').then((m) => m.doctorCommand().parseAsync([], { from: 'user' }))`;
    const { status, stdout } = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8' });
    expect(stdout).toMatch(/^device +cpu: /m);
    expect(stdout).toContain('spinegrad.node');
    expect(status).toBe(0);
  });
});

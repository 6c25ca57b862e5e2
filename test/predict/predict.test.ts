import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decode } from 'fast-png';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LEVELS } from '#spinegrad/anatomy.js';
import { predictCommand } from '#spinegrad/cli/predict.js';
import { readPng } from '#spinegrad/data/png.js';
import type { SliceRecord } from '#spinegrad/data/types.js';
import { openDevice } from '#spinegrad/engine/openDevice.js';
import { readSafetensors, writeSafetensors } from '#spinegrad/io/safetensors.js';
import { loadModel } from '#spinegrad/model/bundle.js';
import { Grader } from '#spinegrad/model/grader.js';
import { ResNet } from '#spinegrad/nn/resnet.js';
import { predict } from '#spinegrad/predict/predict.js';
import type { Prediction, TaskGrade } from '#spinegrad/predict/prediction.js';
import { textOf } from '#spinegrad/predict/text.js';
import { RandomStream } from '#spinegrad/random.js';
import { newLocalizer } from '#spinegrad/training/localize.js';
import { resnetOptions } from '#spinegrad/training/settings/encoder.js';
import { tinyDicom } from '../data/layout.js';
import { buildDicom, imageElements, us } from '../dicom/build.js';
import { changeModel, replaceInModel } from '../model/file.js';
import { changeWeights, heads, randomModel, recordHash, task, trainedModel, writePng } from './models.js';
import { SIZE, tinyConfig } from './tiny.js';

const device = await openDevice('cpu', { threads: 2 });
afterAll(() => device.close());

/** Distance of the pixels of the tiny slices in mm. */
const SPACING = 4;
let folder: string;
/** The localizer is trained on tiny slices. */
let model: string;
let png: string;
let image: Uint16Array;
let discs: SliceRecord['discs'];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'spinegrad-predict-'));
  ({ model, image, discs } = await trainedModel(device, folder));
  png = await writePng(join(folder, 'spine.png'), image);
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
    const broken = await randomModel(device, folder);
    const path = join(broken, 'model.json');
    const text = await readFile(path, 'utf8');
    await writeFile(path, text.slice(0, -5));
    expect(await code(broken)).toBe('ERR_MODEL');
    await writeFile(path, text.replace('"version": 6', '"version": 5'));
    expect(await code(broken)).toBe('ERR_MODEL');
    await writeFile(path, text);
    const weights = join(broken, 'weights/localizer.safetensors');
    const replaceWeights = (length: number) =>
      writeSafetensors(weights, { other: { shape: [length], data: new Float32Array(length) } });
    await replaceWeights(1_000_000);
    expect(await code(broken)).toBe('ERR_MODEL_WEIGHTS');
    await recordHash(broken, 'localizer');
    expect(await code(broken)).toBe('ERR_WEIGHTS');
    // Too small for the network of model.json.
    await replaceWeights(1);
    await recordHash(broken, 'localizer');
    expect(await code(broken)).toBe('ERR_MODEL');
    await writeFile(weights, 'cut');
    await recordHash(broken, 'localizer');
    expect(await code(broken)).toBe('ERR_SAFETENSORS_TRUNCATED');
    await rm(weights);
    expect(await code(broken)).toBe('ERR_FILE_NOT_FOUND');
  });

  it.each([
    [
      '"head":"softmax"',
      '"head":"probit"',
      /arms\.0\.network\.heads\.0\.head: found "probit"; expected one of "softmax"\|/,
    ],
    ['"layout":"table"', '"layout":"pacs"', /trainedOn\.layout: found "pacs"; expected one of "rsna"\|/],
    ['"L5/S1"', '"S1/S2"', /trainedOn\.tasks\.0\.levels\.4: found "S1\/S2"; expected one of .*"L5\/S1"/],
    ['"synthetic":true', '"synthetic":"yes"', /trainedOn\.synthetic: found "yes"; expected boolean/],
  ])('is refused with %s instead of what this version knows', async (known, unknown, message) => {
    const broken = await randomModel(device, folder);
    replaceInModel(broken, known, unknown);
    await expect(loadModel(broken, device)).rejects.toMatchObject({
      code: 'ERR_MODEL',
      message: expect.stringMatching(message),
    });
  });

  it('is refused if a weight file was exchanged; the error has the file and both hashes', async () => {
    const exchanged = await randomModel(device, folder);
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
      const broken = await randomModel(device, folder);
      await changeWeights(broken, name, (data) => data.fill(Number.NaN, 1, 2));
      await expect(loadModel(broken, device)).rejects.toMatchObject({ code: 'ERR_NOT_FINITE' });
    },
  );

  it('is refused if it is calibrated for another number of grades', async () => {
    const broken = await randomModel(device, folder);
    changeModel(broken, ({ arms }) => {
      arms[1].calibration[0].minimums.pop();
    });
    await expect(loadModel(broken, device)).rejects.toMatchObject({
      code: 'ERR_TASK_MISMATCH',
      message: expect.stringContaining('arm frozen is calibrated for rsna/spinal_canal_stenosis (2 grades)'),
    });
  });

  it('is not written with weights that are not finite', async () => {
    const build = { device, random: new RandomStream(1) };
    using grader = new Grader(build, new ResNet(build, resnetOptions(tinyConfig().encoder)), { heads });
    grader
      .state()
      .get('heads.rsna_spinal_canal_stenosis.bias')!
      .write(Float32Array.of(0, Infinity, 0));
    await expect(randomModel(device, folder, { scratch: grader })).rejects.toMatchObject({
      code: 'ERR_NOT_FINITE',
    });
  });

  it('of an unfinished run is refused with the command to resume', async () => {
    const dir = join(folder, 'unfinished');
    await mkdir(dir);
    await writeFile(join(dir, 'config.json'), '{}');
    await expect(loadModel(dir, device)).rejects.toThrow('--resume');
  });
});

describe('predict', () => {
  it('grades the lumbar levels of a PNG and reports centres in its pixels', async () => {
    const { prediction, slice } = await predict(device, { input: png, model, spacing: SPACING });
    expect(slice).toEqual(await readPng(png, [SPACING, SPACING]));
    expect(prediction.slice).toMatchObject({
      ...{ columns: SIZE, rows: SIZE, position: 1, of: 1 },
      ...{ pixelSpacing: [SPACING, SPACING], spacingFrom: 'input' },
    });
    expect(prediction.orientation).toMatchObject({ superior: 'top', agreesWithHeader: null });
    expect(prediction.model.arm).toBe('frozen');
    expect(prediction.warnings.join()).toContain('synthetic');
    expect(prediction.notFound).toEqual([]);
    expect(prediction.levels.map(({ level }) => level)).toEqual(LEVELS);
    for (const { level, x, y, grades, placeProbability, levelProbability } of prediction.levels) {
      const { centre } = discs.find((disc) => disc.level === level)!;
      expect(Math.hypot(x - centre[0], y - centre[1])).toBeLessThan(1.5);
      const [{ task: id, grade, probabilities }] = grades as [TaskGrade];
      expect(grades).toHaveLength(1);
      expect(id).toBe(task.id);
      expect(Object.keys(probabilities)).toEqual(task.grades.map(({ name }) => name));
      expect(Object.values(probabilities).reduce((sum, p) => sum + p, 0)).toBeCloseTo(1, 5);
      expect(probabilities[grade]).toBe(Math.max(...Object.values(probabilities)));
      expect(placeProbability).toBeGreaterThan(0.9);
      expect(levelProbability).toBeGreaterThan(0.5);
    }
  });

  it('takes the scale from the discs without pixel spacing, and if the spacing is not plausible', async () => {
    const { prediction } = await predict(device, { input: png, model });
    expect(prediction.slice.spacingFrom).toBe('pitch');
    expect(Math.abs(prediction.slice.pixelSpacing[0] / SPACING - 1)).toBeLessThan(0.1);
    expect(prediction.warnings.join()).toContain('no pixel spacing');
    const { prediction: wrong } = await predict(device, { input: png, model, spacing: 2 * SPACING });
    expect(Math.abs(wrong.slice.pixelSpacing[0] / SPACING - 1)).toBeLessThan(0.1);
    expect(wrong.warnings.join()).toMatch(/spacing of 8.00 x 8.00 mm is not plausible: .* [67]\d mm apart/);
  });

  it('does not invent a level: the lowest disc is missing', async () => {
    const lowest = discs.at(-1)!.centre;
    const cut = image.map((value, i) => (Math.floor(i / SIZE) > lowest[1] - 4 ? 0 : value));
    const input = await writePng(join(folder, 'cut.png'), cut);
    const result = await predict(device, { input, model, spacing: SPACING }).catch(({ code }) => code);
    if (result === 'ERR_NOT_LUMBAR') return;
    const { levels, notFound } = (result as Awaited<ReturnType<typeof predict>>).prediction;
    expect(levels).toHaveLength(4);
    expect([...notFound, ...levels.map(({ level }) => level)].sort()).toEqual([...LEVELS]);
  });

  it('marks every grade as doubtful if the model grades T1 and the pixels look like T2', async () => {
    const dir = await mkdtemp(join(folder, 't1-'));
    await cp(model, dir, { recursive: true });
    replaceInModel(dir, '"weighting":"T2"', '"weighting":"T1"');
    const { prediction } = await predict(device, { input: png, model: dir, spacing: SPACING });
    expect(prediction.doubts.map(({ code }) => code)).toContain('weighting');
    expect(prediction.levels.every(({ doubtful }) => doubtful)).toBe(true);
    expect(prediction.levels.flatMap(({ grades }) => grades).every(({ doubtful }) => doubtful)).toBe(true);
  });

  it('refuses an image on which the coordinate regression finds all discs at one place', async () => {
    const config = tinyConfig({ localization: { network: 'regression' } });
    const network = newLocalizer({ config, device });
    const dir = await randomModel(device, folder, {
      localizer: { network, normalisation: { mean: 0.5, std: 0.25 } },
    });
    network.dispose();
    const path = join(dir, 'weights/localizer.safetensors');
    const tensors = await readSafetensors(path);
    for (const [name, value] of [['coordinates.weight', 0] as const, ['coordinates.bias', 0.5] as const])
      tensors.get(name)!.data.fill(value);
    await writeSafetensors(path, tensors as Parameters<typeof writeSafetensors>[1]);
    await recordHash(dir, 'localizer');
    await expect(predict(device, { input: png, model: dir, spacing: SPACING })).rejects.toMatchObject({
      code: 'ERR_NOT_LUMBAR',
      message: expect.stringMatching(/the localization failed: found L1\/L2 and L2\/L3 0\.0 pixels apart/),
    });
  });

  it('does not check the weighting of a model that finds the canal instead of disc centres', async () => {
    const dir = await mkdtemp(join(folder, 'canal-'));
    await cp(model, dir, { recursive: true });
    replaceInModel(dir, '"weighting":"T2"', '"weighting":"T1"');
    replaceInModel(dir, '"layout":"table"', '"layout":"rsna"');
    const { prediction } = await predict(device, { input: png, model: dir, spacing: SPACING });
    expect(prediction.doubts.map(({ code }) => code)).not.toContain('weighting');
  });

  it('refuses a model of one side of the patient that does not know where the sides are', async () => {
    const dir = await mkdtemp(join(folder, 'side-'));
    await cp(model, dir, { recursive: true });
    replaceInModel(dir, '"side":null', '"side":"left"');
    await expect(predict(device, { input: png, model: dir })).rejects.toMatchObject({
      code: 'ERR_SERIES_NOT_FOUND',
      message: expect.stringMatching(
        /rsna\/spinal_canal_stenosis: the model does not know where the left side of a disc is/,
      ),
    });
  });

  it.each(['localizer', 'grader-frozen'])(
    'is an error if finite weights of %s overflow in the network',
    async (name) => {
      const overflowing = await mkdtemp(join(folder, 'overflow-'));
      await cp(model, overflowing, { recursive: true });
      await changeWeights(overflowing, name, (data) => data.fill(3e38));
      await expect(
        predict(device, { input: png, model: overflowing, spacing: SPACING }),
      ).rejects.toMatchObject({ code: 'ERR_NOT_FINITE' });
    },
  );

  it('scales the probabilities by the temperature and gives the set of plausible grades', async () => {
    const dir = await mkdtemp(join(folder, 'plain-'));
    await cp(model, dir, { recursive: true });
    changeModel(dir, ({ arms }) => {
      for (const arm of arms) arm.calibration[0].temperature = 1;
    });
    const options = { input: png, spacing: SPACING };
    const { prediction } = await predict(device, { ...options, model });
    const { prediction: plain } = await predict(device, { ...options, model: dir });
    const names = task.grades.map(({ name }) => name);
    for (const [index, { grades }] of prediction.levels.entries()) {
      const [{ grade, probabilities, set }] = grades as [TaskGrade];
      const roots = names.map((name) => Math.sqrt(plain.levels[index]!.grades[0]!.probabilities[name]!));
      const total = roots.reduce((sum, root) => sum + root, 0);
      names.forEach((name, i) => {
        expect(probabilities[name]).toBeCloseTo(roots[i]! / total, 9);
      });
      const minimums = [0, 0.3, 0.9];
      expect(set).toEqual(names.filter((name, i) => name === grade || probabilities[name]! >= minimums[i]!));
    }
    expect(prediction.model.setCoverage).toBe(0.9);
    expect(prediction.warnings.join()).toContain(
      'normal is in every set: the model has 5 calibration discs of it, sets with a coverage of 0.9 need 9',
    );
    expect(textOf(prediction)).toMatch(/^L1\/L2 {2}\w+ 0\.\d\d {2}\{normal/);
  });

  it('doubts a level whose crop is unlike the training crops', async () => {
    const dir = await mkdtemp(join(folder, 'novel-'));
    await cp(model, dir, { recursive: true });
    const options = { input: png, spacing: SPACING };
    const { prediction } = await predict(device, { ...options, model });
    expect(prediction.doubts.map(({ code }) => code)).not.toContain('novel');
    const distances = prediction.levels.map(({ grades }) => grades[0]!.novelty * 1e6);
    const sorted = [...distances].sort((a, b) => a - b);
    changeModel(dir, ({ arms }) => {
      for (const arm of arms) arm.novelty.limit = (sorted[1]! + sorted[2]!) / 2;
    });
    const { prediction: novel } = await predict(device, { ...options, model: dir });
    expect(novel.doubts.map(({ code }) => code)).toContain('novel');
    expect(novel.levels.map(({ doubtful }) => doubtful)).toEqual(
      distances.map((distance, i) => prediction.levels[i]!.doubtful || distance >= sorted[2]!),
    );
    expect(novel.levels.map(({ grades }) => grades[0]!.doubtful)).toEqual(
      novel.levels.map(({ doubtful }) => doubtful),
    );
    expect(textOf(novel)).toContain('  novel  ?');
  });

  it('gives the same bits twice', async () => {
    const options = { input: png, model, spacing: SPACING };
    expect((await predict(device, options)).prediction).toEqual((await predict(device, options)).prediction);
  });

  /** A DICOM series of slices, 4 mm apart. */
  async function writeSeries(slices: readonly Uint16Array[]): Promise<string> {
    const series = await mkdtemp(join(folder, 'series-'));
    for (const [index, pixels] of slices.entries()) {
      const instance = index + 1;
      const elements = imageElements(SIZE, SIZE, us(...pixels), {
        '0008103E': ['LO', 't2_tse_sag'],
        '00200013': ['IS', String(instance)],
        '00200032': ['DS', `${4 * instance}\\0\\0`],
        '00200037': ['DS', '0\\1\\0\\0\\0\\-1'],
        '00280030': ['DS', `${SPACING}\\${SPACING}`],
      });
      await writeFile(join(series, `${instance}.dcm`), buildDicom(elements));
    }
    return series;
  }

  it('takes the middle slice of a DICOM folder and states its orientation', async () => {
    const input = await writeSeries([image, image, image]);
    const { prediction } = await predict(device, { input, model });
    expect(prediction.slice).toMatchObject({ instanceNumber: 2, position: 2, of: 3 });
    expect(prediction.orientation).toEqual({ anterior: 'left', superior: 'top', agreesWithHeader: true });
  });

  it('names the discs by a vote of the neighbouring slices of a stack', async () => {
    // On the middle slice, a large disc below L5/S1 looks like L5/S1.
    const [above, last] = discs.slice(-2).map(({ centre }) => centre);
    const [x, y] = [2 * last![0] - above![0], 2 * last![1] - above![1]];
    const sacral = image.map((value, i) => {
      const distance = Math.hypot((i % SIZE) - x, Math.floor(i / SIZE) - y);
      return Math.min(65535, value + 40000 * Math.exp(-((distance / 3.5) ** 2)));
    });
    const namesOf = ({ levels }: Prediction) =>
      discs.map(
        ({ centre }) =>
          levels.find((found) => Math.hypot(found.x - centre[0], found.y - centre[1]) < 2)?.level,
      );
    const alone = await predict(device, { input: await writeSeries([sacral]), model });
    expect(namesOf(alone.prediction)).not.toEqual(LEVELS);
    expect(alone.prediction.votes).toEqual([]);

    const input = await writeSeries([image, image, sacral, image, image]);
    const { prediction } = await predict(device, { input, model });
    expect(prediction.slice.position).toBe(3);
    expect(namesOf(prediction)).toEqual(LEVELS);
    expect(prediction.votes.map(({ position }) => position)).toEqual([3, 2, 1, 4, 5]);
    expect(prediction.votes[0]!.agreeing).toBeLessThan(prediction.votes[0]!.discs);
    for (const { file, position, discs: shown, agreeing } of prediction.votes.slice(1)) {
      expect(file).toBe(join(input, `${position}.dcm`));
      expect([shown, agreeing]).toEqual([5, 5]);
    }
    expect(prediction.warnings.join()).toMatch(
      /those of a vote of 5 slices; the graded slice alone gives \d of 5/,
    );
  });

  it('refuses unreadable input, other series and images that are not a lumbar spine', async () => {
    const code = (input: string) =>
      predict(device, { input, model }).then(
        ({ prediction }) => prediction.levels.every(({ doubtful }) => doubtful) && 'doubtful',
        (error) => error.code,
      );
    expect(await code(join(folder, 'none.dcm'))).toBe('ERR_FILE_NOT_FOUND');
    const axial = join(folder, 'axial.dcm');
    await writeFile(axial, tinyDicom({ instanceNumber: 1, x: 0, axial: true }));
    expect(await code(axial)).toBe('ERR_SERIES_NOT_FOUND');
    const random = new RandomStream(5);
    const images = {
      black: image.map(() => 0),
      constant: image.map(() => 30000),
      noise: image.map(() => random.uniform(0, 65535)),
    };
    for (const [name, pixels] of Object.entries(images)) {
      // A localizer that saw only tiny slices may find discs in noise.
      const expected = name === 'noise' ? /ERR_NOT_LUMBAR|doubtful/ : /ERR_NOT_LUMBAR/;
      expect(await code(await writePng(join(folder, `${name}.png`), pixels)), name).toMatch(expected);
    }
  });

  it('writes JSON, an overlay whose sides are a multiple of the slice, and a column of maps per level', async () => {
    const [json, overlay, sheet] = ['out.json', 'out.png', 'sheet.png'].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    const flags = ['--model', model, '--spacing', '4', '--arm', 'scratch', '--device', 'cpu'];
    const files = ['--json', json, '--overlay', overlay, '--saliency', sheet];
    await predictCommand().parseAsync([png, ...flags, ...files], { from: 'user' });
    const written = JSON.parse(await readFile(json, 'utf8'));
    expect(process.exitCode ?? 0).toBe(written.doubtful ? 4 : 0);
    process.exitCode = 0;
    expect(written.model.arm).toBe('scratch');
    expect(written.levels).toHaveLength(5);
    const drawn = decode(await readFile(overlay));
    expect([drawn.width, drawn.height, drawn.channels]).toEqual([10 * SIZE, 10 * SIZE, 3]);
    const maps = decode(await readFile(sheet));
    // Five crops of 32 x 32 pixels, five times enlarged; only the maps have colours.
    expect(maps.width).toBeGreaterThan(5 * 160);
    const coloured = [0, 1, 2].map((row) => {
      let pixels = 0;
      for (let y = 32 + row * 168; y < 32 + row * 168 + 160; y++) {
        for (let x = 0; x < maps.width; x++) {
          const [r, g, b] = maps.data.subarray(3 * (y * maps.width + x), 3 * (y * maps.width + x) + 3);
          if (r !== g || g !== b) pixels++;
        }
      }
      return pixels;
    });
    expect(coloured[0]).toBe(0);
    expect(coloured[1]).toBeGreaterThan(1000);
    expect(coloured[2]).toBeGreaterThan(1000);
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

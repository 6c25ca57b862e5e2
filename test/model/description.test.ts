/** model.json is hostile input: readers refuse values that no run writes, and files that the run did not write. */
import { readFileSync, writeFileSync } from 'node:fs';
import { cp, mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDevice } from '#spinegrad/engine/openDevice.js';
import { loadModel } from '#spinegrad/model/bundle.js';
import { readModel } from '#spinegrad/model/readModel.js';
import { randomModel } from '../predict/models.js';
import { changeModel, type Json } from './file.js';

const device = await openDevice('cpu', { threads: 1 });
afterAll(() => device.close());

let folder: string;
let written: string;
beforeAll(async () => {
  folder = await mkdtemp(join(process.env.TMPDIR!, 'spinegrad-description-'));
  written = await randomModel(device, folder);
});

async function copyOf(model: string): Promise<string> {
  const dir = await mkdtemp(join(folder, 'copy-'));
  await cp(model, dir, { recursive: true });
  return dir;
}

/** The message with which a changed model is refused. */
async function refusal(change: (model: Json) => void): Promise<string> {
  const path = changeModel(await copyOf(written), change);
  const error = await readModel(join(path, '..')).then(
    () => 'accepted',
    (cause) => cause,
  );
  expect(error).toMatchObject({ code: 'ERR_MODEL' });
  expect(error.message.startsWith(`${path}: `)).toBe(true);
  return error.message.slice(path.length + 2);
}

describe('the hash of model.json', () => {
  it('is that of its other keys, whatever their spaces', async () => {
    const dir = await copyOf(written);
    const path = changeModel(dir, () => {});
    expect(readFileSync(path, 'utf8')).not.toBe(readFileSync(join(written, 'model.json'), 'utf8'));
    expect(await readModel(dir)).toEqual(await readModel(written));
  });

  it.each([
    ['a changed number', '"rmseMm": 3', '"rmseMm": 4'],
    ['a removed key', '"rmseMm": 3', '"rmse": 3'],
    ['a changed setting, which no reader uses', '"preset": "smoke"', '"preset": "smoky"'],
    ['a hash that is not one', '"sha256": "', '"sha256": "x'],
  ])('refuses %s', async (_, found, other) => {
    const dir = await copyOf(written);
    const path = join(dir, 'model.json');
    const text = readFileSync(path, 'utf8');
    const at = text.lastIndexOf(found);
    expect(at).toBeGreaterThan(0);
    writeFileSync(path, text.slice(0, at) + other + text.slice(at + found.length));
    await expect(readModel(dir)).rejects.toMatchObject({
      code: 'ERR_MODEL',
      message: expect.stringMatching(
        /model\.json: sha256: found "x?[0-9a-f]{63,64}"; expected [0-9a-f]{64}, the SHA-256 of the other keys: .*copy/,
      ),
    });
  });

  it('is required', async () => {
    const dir = await copyOf(written);
    const path = join(dir, 'model.json');
    const { sha256: _, ...others } = JSON.parse(readFileSync(path, 'utf8'));
    writeFileSync(path, JSON.stringify(others));
    await expect(readModel(dir)).rejects.toThrow(
      /model\.json: sha256: found nothing; expected [0-9a-f]{64}, the SHA/,
    );
  });
});

describe('a model', () => {
  it('of another version of the format is refused with both versions', async () => {
    expect(
      await refusal((model) => {
        model.version = 5;
        delete model.trainedImages;
      }),
    ).toMatch(/^found version 5, expected 6: another version of spinegrad wrote it/);
  });

  it('without the images of its training is refused, because evaluate could not leave out these patients', async () => {
    expect(await refusal((model) => delete model.trainedImages)).toMatch(/^trainedImages: found nothing;/);
    expect(
      await refusal((model) => {
        model.trainedImages = [];
      }),
    ).toMatch(/^trainedImages: found \[\];/);
    expect(
      await refusal((model) => {
        model.trainedImages = ['abc'];
      }),
    ).toMatch(/^trainedImages\.0: found "abc"; expected the 64 hexadecimal digits of a SHA-256/);
  });
});

describe('every value outside of its bounds is refused with its key', () => {
  it.each<[string, (model: Json) => void, RegExp]>([
    [
      'roi.extentMm',
      ({ roi }) => (roi.extentMm = -1),
      /^roi\.extentMm: found -1; expected number to be >=1;/,
    ],
    ['roi.extentMm', ({ roi }) => (roi.extentMm = 1e9), /^roi\.extentMm: found 1000000000; .*<=500/],
    ['roi.size', ({ roi }) => (roi.size = 1), /^roi\.size: found 1; .*>=8/],
    ['roi.size', ({ roi }) => (roi.size = 1e5), /^roi\.size: found 100000; .*<=1024/],
    ['roi.size', ({ roi }) => (roi.size = 31.5), /^roi\.size: found 31\.5; .*int/],
    [
      'mean',
      ({ input }) => (input.normalisation[0].mean = 1e5),
      /^input\.normalisation\.0\.mean: found 100000;/,
    ],
    ['std', ({ normalisation }) => (normalisation.std = 1e-9), /^normalisation\.std: found 1e-9; .*>=/],
    ['std', ({ normalisation }) => (normalisation.std = 7), /^normalisation\.std: found 7; .*<=1/],
    [
      'width',
      ({ arms }) => (arms[1].network.encoder.width = 1e6),
      /^arms\.1\.network\.encoder\.width: found 1000000; .*<=1024/,
    ],
    [
      'width',
      ({ localizer }) => (localizer.network.network.width = 0),
      /^localizer\.network\.network\.width: found 0; .*>=1/,
    ],
    [
      'strides',
      ({ arms }) => (arms[0].network.encoder.strides = [1, 99]),
      /encoder\.strides\.1: found 99; .*<=2/,
    ],
    [
      'sliceSize',
      ({ localizer }) => (localizer.network.sliceSize = 1e6),
      /network\.sliceSize: found 1000000;/,
    ],
    [
      'pitchMm',
      ({ localizer }) => (localizer.network.pitchMm = 1e-3),
      /network\.pitchMm: found 0\.001; .*>=5/,
    ],
    ['novelty', ({ arms }) => (arms[0].novelty.limit = 0), /^arms\.0\.novelty\.limit: found 0;/],
    ['temperature', ({ arms }) => (arms[0].calibration[0].temperature = -2), /temperature: found -2; .*>0/],
    ['resamples', ({ evaluation }) => (evaluation.resamples = 1e12), /^evaluation\.resamples: .*<=100000/],
    [
      'threads',
      ({ evaluation }) => (evaluation.threads = 1e6),
      /^evaluation\.threads: found 1000000; .*<=1024/,
    ],
    ['slices', ({ input }) => (input.spec.slices = 1e6), /^input\.spec\.slices: found 1000000; .*<=33/],
    [
      'arm',
      ({ arms }) => (arms[0].name = '../x'),
      /^arms\.0\.name: found "\.\.\/x"; expected lower case letters/,
    ],
  ])('%s', async (_, change, message) => {
    expect(await refusal(change)).toMatch(message);
  });

  it.each([
    '../../x.safetensors',
    '/etc/passwd',
    'weights/../../x.safetensors',
    'weights/a/b.safetensors',
    'weights/',
    'x.safetensors',
    'weights/a\0.safetensors',
  ])('weights outside of the folder: %j', async (file) => {
    const message =
      /^localizer\.weights\.file: found .*; expected a file of the model, such as weights\/localizer\.safetensors/;
    expect(await refusal(({ localizer }) => (localizer.weights.file = file))).toMatch(message);
    expect(await refusal(({ arms }) => (arms[2].novelty.weights.file = file))).toMatch(
      /^arms\.2\.novelty\.weights\.file: found /,
    );
  });
});

describe('values that contradict others are refused with their key', () => {
  it.each<[string, (model: Json) => void, RegExp]>([
    [
      'a recommended arm that does not exist',
      (model) => (model.recommended = 'best'),
      /^recommended: found "best"; expected the name of an arm: scratch or frozen or contrastive;/,
    ],
    [
      'two arms of one name',
      ({ arms }) => (arms[2].name = 'scratch'),
      /^arms\.2\.name: found "scratch"; expected a name that occurs once/,
    ],
    [
      'a series twice',
      ({ input }) => input.spec.series.push(input.spec.series[0]),
      /^input\.spec\.series\.1: found "Sagittal T2\/STIR"; expected a name that occurs once/,
    ],
    [
      'neighbouring slices without attention',
      ({ input }) => (input.spec.slices = 3),
      /^input\.spec\.slices: found 3; expected 1, because the fusion is none/,
    ],
    [
      'a normalisation per series without fusion',
      ({ input }) => input.normalisation.push(input.normalisation[0]),
      /^input\.normalisation: found \[.*; expected 1, because the fusion is none/,
    ],
    [
      'a slice that the U-Net cannot halve',
      ({ localizer }) => (localizer.network.sliceSize = 100),
      /^localizer\.network\.sliceSize: found 100; expected a multiple of 8, because the network has 4 levels/,
    ],
    [
      'maps that the decoder does not know',
      ({ localizer }) => (localizer.network.network.outputs = 4),
      /^localizer\.network\.network\.outputs: found 4; expected 3: the maps disc, sacral, anterior/,
    ],
    [
      'colours',
      ({ localizer }) => (localizer.network.network.inputChannels = 3),
      /^localizer\.network\.network\.inputChannels: found 3; expected 1, because slices are gray/,
    ],
    [
      'channels of series that are not in the input',
      ({ arms }) => (arms[1].network.encoder.inputChannels = 2),
      /^arms\.1\.network\.encoder\.inputChannels: found 2; expected 1, because the input has 1 series/,
    ],
    [
      'attention without its series',
      ({ arms }) => (arms[1].network.encoder.series = 2),
      /^arms\.1\.network\.encoder\.series: found 2; expected nothing, because/,
    ],
    [
      'a head that cannot grade its task',
      ({ arms }) => (arms[0].network.heads[0].head = 'binary'),
      /^arms\.0\.network\.heads\.0\.head: found "binary"; expected softmax or coral or corn, because of the grades/,
    ],
    [
      'calibration discs of other grades',
      ({ arms }) => arms[0].calibration[0].discs.push(1),
      /^arms\.0\.calibration\.0\.discs: found \[5,40,40,1\]; expected 3 numbers, one per grade/,
    ],
    [
      'sites of other tasks',
      ({ sites }) => sites.push({ series: 'T1', side: null, tasks: ['x'], offsetMm: null, discs: 0 }),
      /^sites\.0\.tasks\.0: found "x"; expected a task of the model: rsna\/spinal_canal_stenosis/,
    ],
  ])('%s', async (_, change, message) => {
    expect(await refusal(change)).toMatch(message);
  });

  it('a width whose weights the file cannot hold, before the network is built', async () => {
    const dir = await copyOf(written);
    changeModel(dir, ({ arms, localizer }) => {
      for (const { network } of arms) network.encoder.width = 1024;
      localizer.network.network.width = 8;
    });
    const started = performance.now();
    await expect(loadModel(dir, device)).rejects.toMatchObject({
      code: 'ERR_MODEL',
      message: expect.stringMatching(
        /model\.json: arms\.1\.network\.encoder\.width: found 1024, whose network has more than 603979776 weights; .*grader-frozen\.safetensors has \d+;/,
      ),
    });
    expect(performance.now() - started).toBeLessThan(20_000);
  });
});

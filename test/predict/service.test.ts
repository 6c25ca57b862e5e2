/** Prediction in a program of one's own: a loaded model, cancellation, and the service of docs/predict.md. */
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openDevice } from '#spinegrad/index.js';
import { loadModel, predict } from '#spinegrad/spine.js';
import { root } from '../cli/command.js';
import { trainedModel, writePng } from './models.js';

const device = await openDevice('cpu', { threads: 2 });
afterAll(() => device.close());

let folder: string;
let model: string;
let png: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'spinegrad-service-'));
  const trained = await trainedModel(device, folder);
  model = trained.model;
  png = await writePng(join(folder, 'spine.png'), trained.image);
});

it('a loaded model grades as its folder does, and stays loaded', async () => {
  const input = { input: png, spacing: 4 };
  const { prediction } = await predict(device, { ...input, model });
  const loaded = await loadModel(model, device, 'all');
  for (let i = 0; i < 2; i++) {
    expect((await predict(device, { ...input, model: loaded })).prediction).toEqual(prediction);
  }
  const scratch = await predict(device, { ...input, model: loaded, arm: 'scratch' });
  expect(scratch.prediction.model.arm).toBe('scratch');
  await expect(predict(device, { ...input, model: loaded, arm: 'best' })).rejects.toMatchObject({
    code: 'ERR_MODEL_ARM',
  });
  loaded.dispose();
});

it('stops when its signal is aborted, and gives its memory back', async () => {
  const reason = new Error('the client left');
  const options = { input: png, spacing: 4, model };
  await expect(predict(device, { ...options, signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  const { tensors } = device.memory();
  const abort = new AbortController();
  const stopped = predict(device, { ...options, signal: abort.signal });
  setImmediate(() => abort.abort(reason));
  await expect(stopped).rejects.toBe(reason);
  expect(device.memory().tensors).toBe(tensors);
});

it('the service of docs/predict.md answers with grades, and with the code of an error', async () => {
  const [, code] = /```js\n(.*?)```/s.exec(readFileSync(join(root, 'docs/predict.md'), 'utf8'))!;
  expect(code!.trim().split('\n').length).toBeLessThanOrEqual(18);
  const build = join(root, 'build', 'service');
  mkdirSync(build, { recursive: true });
  writeFileSync(join(build, 'service.mjs'), code!);
  const child = spawn(process.execPath, [join(build, 'service.mjs'), model, folder, '0'], { cwd: root });
  try {
    const address = await new Promise<string>((resolve, reject) => {
      child.stdout.on('data', (text) => resolve(/http:\S+/.exec(`${text}`)![0]));
      child.stderr.on('data', (text) => reject(new Error(`${text}`)));
    });
    const [graded, missing, outside] = await Promise.all(
      ['spine.png', 'none.png', '..%2fspine.png'].map((study) => fetch(`${address}/${study}`)),
    );
    expect(graded!.status).toBe(200);
    const { levels } = (await graded!.json()) as { levels: unknown[] };
    expect(levels).toHaveLength(5);
    expect(missing!.status).toBe(422);
    expect(await missing!.json()).toMatchObject({ code: 'ERR_FILE_NOT_FOUND' });
    expect(outside!.status).toBe(200); // only the name counts: the same file
  } finally {
    child.kill();
  }
});

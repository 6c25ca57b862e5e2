/** Weights of torchvision's ResNet in networks of other input channels, from complete and partial files. */
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { openDevice } from '#spinegrad/engine/openDevice.js';
import { importResNet } from '#spinegrad/nn/importResNet.js';
import { type ResNet, resnet18 } from '#spinegrad/nn/resnet.js';
import { valuesOf } from '#spinegrad/nn/values.js';
import { RandomStream } from '#spinegrad/random.js';

const device = await openDevice('cpu', { threads: 1 });
afterAll(() => device.close());

const network = (inputChannels: number, seed: number, width = 4): ResNet =>
  resnet18({ device, random: new RandomStream(seed) }, { width, inputChannels }).eval();

/** A file as torchvision writes it: three input channels, and a classifier. */
let file: Map<string, { shape: readonly number[]; data: Float32Array | Float64Array }>;
let source: ResNet;

beforeEach(async () => {
  source = network(3, 1);
  file = new Map((await valuesOf(source.state())) as never);
  file.set('fc.weight', { shape: [1], data: Float32Array.of(1) });
  file.set('bn1.num_batches_tracked', { shape: [], data: Float64Array.of(7) });
});

const image = (channels: number) => {
  const random = new RandomStream(5);
  const plane = Float32Array.from({ length: 32 * 32 }, () => random.normal());
  const copies = new Float32Array(channels * plane.length);
  for (let c = 0; c < channels; c++) copies.set(plane, c * plane.length);
  return device.tensor(copies, [1, channels, 32, 32]);
};

describe('importResNet', () => {
  it.each([1, 2, 3])(
    'gives a grey image in %i channels the embedding that the file gives it in three',
    async (channels) => {
      const net = network(channels, 2);
      const { loaded, missing } = importResNet(net, file, 'file');
      expect(missing).toEqual([]);
      expect(loaded.sort()).toEqual([...net.state().keys()].sort());
      const expected = await source.forward(image(3)).data();
      const found = await net.forward(image(channels)).data();
      expected.forEach((value, i) => {
        expect(found[i]).toBeCloseTo(value, 5);
      });
    },
  );

  it('keeps the layers that the file does not have, and names them', async () => {
    for (const name of [...file.keys()]) if (name.startsWith('layer4.')) file.delete(name);
    const net = network(1, 2);
    const before = await valuesOf(net.state());
    const { missing } = importResNet(net, file, 'file');
    expect(missing).toEqual([...net.state().keys()].filter((name) => name.startsWith('layer4.')));
    const after = await valuesOf(net.state());
    for (const name of missing) expect(after.get(name)).toEqual(before.get(name));
    expect(after.get('layer1.0.conv1.weight')!.data).toEqual(file.get('layer1.0.conv1.weight')!.data);
  });

  it.each<[what: string, code: string, message: RegExp, change: () => void]>([
    [
      'another width',
      'ERR_WEIGHTS',
      /'bn1\.weight' of shape \[8\], expected \[4\]; set encoder\.width/,
      () => {
        file.set('bn1.weight', { shape: [8], data: new Float32Array(8) });
      },
    ],
    [
      'a layer of another depth',
      'ERR_WEIGHTS',
      /'layer1\.0\.conv3\.weight', expected only names of a ResNet-18; set encoder\.depth/,
      () => {
        file.set('layer1.0.conv3.weight', { shape: [1], data: new Float32Array(1) });
      },
    ],
    [
      'a stem without channels',
      'ERR_WEIGHTS',
      /'conv1\.weight' of shape \[4,0,7,7\]/,
      () => {
        file.set('conv1.weight', { shape: [4, 0, 7, 7], data: new Float32Array(0) });
      },
    ],
    [
      'float64',
      'ERR_WEIGHTS',
      /'bn1\.weight' as Float64Array/,
      () => {
        file.set('bn1.weight', { shape: [4], data: new Float64Array(4) });
      },
    ],
    [
      'a value that is not finite',
      'ERR_NOT_FINITE',
      /'bn1\.bias'/,
      () => {
        file.set('bn1.bias', { shape: [4], data: Float32Array.of(0, Number.NaN, 0, 0) });
      },
    ],
    [
      'only a classifier',
      'ERR_WEIGHTS',
      /found no tensor of a ResNet/,
      () => {
        for (const name of [...file.keys()]) if (!name.startsWith('fc.')) file.delete(name);
      },
    ],
  ])('refuses %s and changes nothing', async (_, code, message, change) => {
    change();
    const net = network(1, 2);
    const before = await valuesOf(net.state());
    expect(() => importResNet(net, file, 'file')).toThrow(
      expect.objectContaining({ code, message: expect.stringMatching(message) }),
    );
    expect(await valuesOf(net.state())).toEqual(before);
  });
});

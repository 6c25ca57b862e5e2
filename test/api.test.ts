/** What `import ... from 'spinegrad'` gives: each thing is described, and odd arguments give coded errors. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as api from '#spinegrad/index.js';
import { root } from './cli/command.js';

describe('each export', () => {
  const index = readFileSync(join(root, 'ts/index.ts'), 'utf8');
  const exported = [...index.matchAll(/^export (type )?\{([^}]*)\} from '\.\/(.*)\.js';/gm)].flatMap(
    ([, , names, file]) =>
      [...names!.matchAll(/(?:type )?(\w+)/g)].map(([, name]) => [name!, file!] as const),
  );

  it('of values is found in the index', () => {
    expect(exported.map(([name]) => name)).toEqual(expect.arrayContaining(Object.keys(api)));
  });

  // Types whose names or members say it all.
  it.each(exported.filter(([name]) => name in api))('%s is described where it stands (%s)', (name, file) => {
    const source = readFileSync(join(root, 'ts', `${file}.ts`), 'utf8');
    const declared = `export (?:abstract |async )*(?:class|function|const) ${name}\\b`;
    expect(source).toMatch(new RegExp(`\\*/\\n${declared}`));
  });
});

describe('an odd argument', () => {
  let device: api.Device;
  beforeAll(async () => {
    device = await api.openDevice('cpu', { threads: 1 });
  });
  afterAll(() => device.close());

  const build = () => ({ device, random: new api.RandomStream(1) });

  // biome-ignore lint/suspicious/noExplicitAny: what TypeScript would refuse is what JavaScript may pass.
  const ENTRIES: Record<string, (odd: any) => unknown> = {
    'openDevice kind': (odd) => api.openDevice(odd),
    'openDevice options': (odd) => api.openDevice('cpu', odd),
    'openDevice threads': (odd) => api.openDevice('cpu', { threads: odd }),
    'device.tensor values': (odd) => device.tensor(odd),
    'device.tensor shape': (odd) => device.tensor([1, 2], odd),
    'device.full': (odd) => device.full([1], odd),
    'device.zeros': (odd) => device.zeros(odd),
    'tensor.write': (odd) => device.zeros([1]).write(odd),
    tidy: (odd) => api.tidy(odd),
    noGrad: (odd) => api.noGrad(odd),
    backward: (odd) => api.backward(odd),
    'ResNet options': (odd) => new api.ResNet(build(), odd),
    'ResNet depth': (odd) => new api.ResNet(build(), { depth: odd, width: 1 }),
    'resnet18 strides': (odd) => api.resnet18(build(), { width: 1, strides: odd }),
    AdamW: (odd) => new api.AdamW(odd),
    SGD: (odd) => new api.SGD(odd),
    Ema: (odd) => new api.Ema(odd, 0.9),
    'warmupCosine options': (odd) => api.warmupCosine(odd),
    'warmupCosine totalSteps': (odd) => api.warmupCosine({ totalSteps: odd }),
    'stepDecay options': (odd) => api.stepDecay(odd),
  };

  const odd = fc.oneof(
    fc.constantFrom<unknown>(undefined, null, 1n, Symbol('odd'), 'odd', '', -1, 0.5, Number.NaN),
    fc.constantFrom<unknown>({}, [], [1n], [Symbol('odd')], () => 1, new Map([['a', 1]]), new Date(0)),
    fc.anything({ values: [fc.string(), fc.bigInt(), fc.boolean()], withMap: true, withNullPrototype: true }),
  );

  it.each(Object.entries(ENTRIES))('of %s', async (_, call) => {
    const property = fc.asyncProperty(odd, async (value) => {
      try {
        const result = await call(value);
        if (result instanceof api.Device) result.close();
        if (result instanceof api.Tensor || result instanceof api.Module) result.dispose();
      } catch (error) {
        expect(error).toBeInstanceOf(api.SpinegradError);
        expect((error as api.SpinegradError).code).not.toBe('ERR_INTERNAL');
      }
    });
    await fc.assert(property, { seed: 1, numRuns: 60 });
  });
});

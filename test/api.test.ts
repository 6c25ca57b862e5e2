/** The exports of the package: each has documentation, and invalid arguments give errors with a code. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import ts from 'typescript';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as api from '#spinegrad/index.js';
import * as spine from '#spinegrad/spine.js';
import { root } from './cli/command.js';

it.each([
  ['spinegrad', 'index', api],
  ['spinegrad/spine', 'spine', spine],
])('documents each function, class and constant of %s', (_, name, exported) => {
  const file = join(root, `dist/${name}.d.ts`);
  const program = ts.createProgram([file], { skipLibCheck: true, module: ts.ModuleKind.NodeNext });
  const checker = program.getTypeChecker();
  const index = checker.getSymbolAtLocation(program.getSourceFile(file)!)!;
  const values = checker
    .getExportsOfModule(index)
    .map((symbol) => (symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol))
    .filter((symbol) => symbol.flags & ts.SymbolFlags.Value);
  expect(values.map(({ name }) => name).sort()).toEqual(Object.keys(exported).sort());
  const undocumented = values.filter((symbol) => symbol.getDocumentationComment(checker).length === 0);
  expect(undocumented.map(({ name }) => name)).toEqual([]);
});

it('exports each operation', () => {
  /** Not operations, or steps of an optimizer. */
  const internal = ['elementwise', 'elementwiseLoss', 'multitensor', 'adamW', 'ema', 'lars', 'sgd'];
  const files = readdirSync(join(root, 'ts/engine/ops')).map((file) => file.replace(/\.ts$/, ''));
  const operations = files.filter((name) => !internal.includes(name));
  expect(operations.filter((name) => !(name in api))).toEqual([]);
});

describe('an invalid argument', () => {
  let device: api.Device;
  beforeAll(async () => {
    device = await api.openDevice('cpu', { threads: 1 });
  });
  afterAll(() => device.close());

  const build = () => ({ device, random: new api.RandomStream(1) });

  // biome-ignore lint/suspicious/noExplicitAny: JavaScript callers can pass what TypeScript refuses.
  const CALLS: Record<string, (value: any) => unknown> = {
    'openDevice kind': (value) => api.openDevice(value),
    'openDevice options': (value) => api.openDevice('cpu', value),
    'openDevice threads': (value) => api.openDevice('cpu', { threads: value }),
    'device.tensor values': (value) => device.tensor(value),
    'device.tensor shape': (value) => device.tensor([1, 2], value),
    'device.full': (value) => device.full([1], value),
    'device.zeros': (value) => device.zeros(value),
    'tensor.write': (value) => device.zeros([1]).write(value),
    tidy: (value) => api.tidy(value),
    noGrad: (value) => api.noGrad(value),
    backward: (value) => api.backward(value),
    'ResNet options': (value) => new api.ResNet(build(), value),
    'ResNet depth': (value) => new api.ResNet(build(), { depth: value, width: 1 }),
    'resnet18 strides': (value) => api.resnet18(build(), { width: 1, strides: value }),
    AdamW: (value) => new api.AdamW(value),
    SGD: (value) => new api.SGD(value),
    Ema: (value) => new api.Ema(value, 0.9),
    'warmupCosine options': (value) => api.warmupCosine(value),
    'warmupCosine totalSteps': (value) => api.warmupCosine({ totalSteps: value }),
    'stepDecay options': (value) => api.stepDecay(value),
  };

  const invalid = fc.oneof(
    fc.constantFrom<unknown>(undefined, null, 1n, Symbol('x'), 'x', '', -1, 0.5, Number.NaN),
    fc.constantFrom<unknown>({}, [], [1n], [Symbol('x')], () => 1, new Map([['a', 1]]), new Date(0)),
    fc.anything({ values: [fc.string(), fc.bigInt(), fc.boolean()], withMap: true, withNullPrototype: true }),
  );

  it.each(Object.entries(CALLS))('of %s gives a result or an error with a code', async (_, call) => {
    const property = fc.asyncProperty(invalid, async (value) => {
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

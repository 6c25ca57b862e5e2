/** The exports of the package: each has documentation, and invalid arguments give errors with a code. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import ts from 'typescript';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as api from '#spinegrad/index.js';
import * as spine from '#spinegrad/spine.js';
import { root } from './cli/command.js';

/** The functions, classes and constants of an entry point. */
function valuesOf(name: string): { checker: ts.TypeChecker; values: ts.Symbol[] } {
  const file = join(root, `dist/${name}.d.ts`);
  const program = ts.createProgram([file], { skipLibCheck: true, module: ts.ModuleKind.NodeNext });
  const checker = program.getTypeChecker();
  const index = checker.getSymbolAtLocation(program.getSourceFile(file)!)!;
  const values = checker
    .getExportsOfModule(index)
    .map((symbol) => (symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol))
    .filter((symbol) => symbol.flags & ts.SymbolFlags.Value);
  return { checker, values };
}

it.each([
  ['spinegrad', 'index', api],
  ['spinegrad/spine', 'spine', spine],
])('documents each function, class and constant of %s', (_, name, exported) => {
  const { checker, values } = valuesOf(name);
  expect(values.map(({ name }) => name).sort()).toEqual(Object.keys(exported).sort());
  const undocumented = values.filter((symbol) => symbol.getDocumentationComment(checker).length === 0);
  expect(undocumented.map(({ name }) => name)).toEqual([]);
});

/** Not called by users, or with any number of arguments. */
const UNCHECKED = ['CapturedStep', 'Device', 'Module', 'Tensor', 'SpinegradError', 'RandomStream'];

/** The functions and constructors of an entry point, with the positions of their options. */
function callables(entry: string, exported: Readonly<Record<string, unknown>>) {
  const { checker, values } = valuesOf(entry);
  return values.flatMap((symbol) => {
    const type = checker.getTypeOfSymbol(symbol);
    const [signature] = [...type.getConstructSignatures(), ...type.getCallSignatures()];
    if (!signature || UNCHECKED.includes(symbol.name)) return [];
    const options = signature.parameters.flatMap((parameter, index) => {
      const isTensor = checker.typeToString(checker.getTypeOfSymbol(parameter)) === 'Tensor';
      return /^(options|settings|keys|build)$/.test(parameter.name) && !isTensor ? [index] : [];
    });
    // biome-ignore lint/suspicious/noExplicitAny: called as JavaScript does.
    const value = exported[symbol.name] as any;
    const isClass = type.getConstructSignatures().length > 0;
    const call = async (...given: unknown[]) => (isClass ? new value(...given) : value(...given));
    return [{ name: symbol.name, call, options }];
  });
}

describe('a call from JavaScript', () => {
  it.each(callables('index', api))('$name() refuses extra arguments', async ({ name, call }) => {
    const code = expect.objectContaining({ code: 'ERR_ARGUMENT', name: 'SpinegradError' });
    const called = call(...Array(12).fill(undefined));
    await expect(called).rejects.toThrow(code);
    await expect(called).rejects.toThrow(new RegExp(`^${name}\\(\\): expected .*arguments?, found 12$`));
  });

  const optional = callables('index', api).flatMap(({ name, call, options }) =>
    options.map((index) => ({ name, call, index })),
  );
  it.each(optional)('$name() refuses unknown options in argument $index', async ({ call, index }) => {
    const called = call(...Array(index).fill(undefined), { dilatation: 2 });
    await expect(called).rejects.toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }));
    await expect(called).rejects.toThrow(/unknown option 'dilatation', expected only \w+/);
  });
});

it('exports each operation', () => {
  /** Not operations, or steps of an optimizer. */
  const internal = ['elementwise', 'elementwiseLoss', 'multitensor', 'adamW', 'ema', 'lars', 'sgd'];
  const files = readdirSync(join(root, 'ts/engine/ops')).map((file) => file.replace(/\.ts$/, ''));
  const operations = files.filter((name) => !internal.includes(name));
  expect(operations.filter((name) => !(name in api))).toEqual([]);
});

describe('a constructor without arguments', () => {
  const modules = [
    'Conv2d',
    'BatchNorm2d',
    'Linear',
    'ResNet',
    'UNet',
    'AdamW',
    'SGD',
    'LARS',
    'Ema',
  ] as const;
  it.each([...modules, 'resnet18', 'resnet34', 'resnet50', 'unet'] as const)(
    '%s() names what is missing',
    async (name) => {
      const { call } = callables('index', api).find((one) => one.name === name)!;
      await expect(call()).rejects.toThrow(expect.objectContaining({ name: 'SpinegradError' }));
      await expect(call()).rejects.toThrow(/^\w+\(\): [\w.]+: expected .*, found undefined/);
    },
  );
});

it.each([
  ...['Device', 'Tensor', 'CapturedStep', 'byOperation', 'chromeTrace'],
  ...['foldBatchNorms', 'importResNet', 'readSafetensors', 'writeSafetensors'],
])('%s() without arguments names what is missing', async (name) => {
  // biome-ignore lint/suspicious/noExplicitAny: called as JavaScript does.
  const value = (api as any)[name];
  const call = async () => (/^[A-Z]/.test(name) ? new value() : value());
  await expect(call()).rejects.toThrow(expect.objectContaining({ code: 'ERR_ARGUMENT' }));
  await expect(call()).rejects.toThrow(new RegExp(`^${name}\\(\\): \\w+: expected .*, found undefined`));
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
    'resnet18 build': (value) => api.resnet18(value, { width: 1 }),
    'resnet18 device': (value) => api.resnet18({ ...build(), device: value }, { width: 1 }),
    'resnet18 random': (value) => api.resnet18({ ...build(), random: value }, { width: 1 }),
    'Conv2d inputs': (value) => new api.Conv2d(build(), value, 1, 1),
    'Conv2d kernel': (value) => new api.Conv2d(build(), 1, 1, value),
    'Conv2d options': (value) => new api.Conv2d(build(), 1, 1, 1, value),
    'BatchNorm2d channels': (value) => new api.BatchNorm2d(build(), value),
    'BatchNorm2d conv': (value) => new api.BatchNorm2d(build(), 1, value),
    'Linear build': (value) => new api.Linear(value, 1, 1),
    'Linear outputs': (value) => new api.Linear(build(), 1, value),
    'UNet options': (value) => api.unet(build(), value),
    clipGradNorm: (value) => api.clipGradNorm(value, 1),
    AdamW: (value) => new api.AdamW(value),
    'AdamW group': (value) => new api.AdamW([{ name: 'x', parameters: value }]),
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

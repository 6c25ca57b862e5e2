/** The import graph has no circles, and imports follow the layers: docs/architecture.md. */
import { describe, expect, it } from 'vitest';
import {
  findCircles,
  type Graph,
  groupImports,
  includes,
  readImports,
  typescriptImports,
} from './imports.js';

/**
 * The folders of the source tree, and what each may import besides itself and the vocabulary.
 * A file belongs to the longest path that contains it.
 */
const MAY_IMPORT: Record<string, readonly string[]> = {
  'ts/tasks': [],
  'ts/io': [],
  'ts/engine': [],
  'ts/engine/ops': ['ts/engine'],
  'ts/nn': ['ts/engine', 'ts/engine/ops'],
  'ts/optim': ['ts/engine', 'ts/engine/ops'],
  'ts/dicom': ['ts/io'],
  'ts/data': ['ts/dicom', 'ts/io', 'ts/tasks'],
  'ts/phantom': ['ts/io', 'ts/tasks'],
  'ts/model': ['ts/data', 'ts/engine', 'ts/engine/ops', 'ts/io', 'ts/nn', 'ts/tasks'],
  'ts/evaluation': ['ts/io', 'ts/tasks'],
  'ts/report': ['ts/evaluation', 'ts/io', 'ts/tasks'],
  'ts/training': [
    ...['ts/data', 'ts/engine', 'ts/engine/ops', 'ts/evaluation', 'ts/io'],
    ...['ts/model', 'ts/nn', 'ts/optim', 'ts/phantom', 'ts/report', 'ts/tasks'],
  ],
  'ts/study': [
    ...['ts/data', 'ts/engine', 'ts/evaluation', 'ts/io', 'ts/model', 'ts/nn', 'ts/report', 'ts/tasks'],
    'ts/training',
  ],
  'ts/predict': ['ts/data', 'ts/dicom', 'ts/engine', 'ts/evaluation', 'ts/io', 'ts/model', 'ts/tasks'],
  'ts/cli': [
    ...['ts/data', 'ts/dicom', 'ts/engine', 'ts/io', 'ts/phantom', 'ts/predict'],
    ...['ts/report', 'ts/study', 'ts/tasks', 'ts/training'],
  ],
  'native/engine': [],
  'native/cpu/runtime': ['native/engine'],
  'native/cpu/conv': ['native/cpu/runtime', 'native/engine'],
  'native/cpu/ops': ['native/cpu/conv', 'native/cpu/runtime', 'native/engine'],
  'native/cuda/runtime': ['kernels', 'native/engine'],
  'native/cuda/ops': ['kernels', 'native/cuda/runtime', 'native/engine'],
  'native/addon': ['native/cpu/runtime', 'native/cuda/runtime', 'native/engine'],
  kernels: ['native/engine'],
  simulator: ['native/cuda/runtime'],
};
/** Files that every folder of ts/ may import. */
const VOCABULARY = [
  ...['ts/anatomy.ts', 'ts/arguments.ts', 'ts/error.ts', 'ts/median.ts', 'ts/packageRoot.ts'],
  'ts/random.ts',
];
/** Public entry points. They may import everything; nothing imports them. */
const ENTRY_POINTS = ['ts/index.ts', 'ts/spine.ts'];

/** The folder of MAY_IMPORT that a file belongs to. A file outside of all folders is a group of its own. */
function folderOf(file: string): string {
  const folders = Object.keys(MAY_IMPORT).filter((folder) => file.startsWith(`${folder}/`));
  return folders.sort((a, b) => b.length - a.length)[0] ?? file;
}

const source = readImports('ts', 'native', 'kernels', 'simulator');
const tests = readImports('test', 'bench');
const folders = groupImports(source, folderOf);

describe('the source tree', () => {
  it.each([
    ['files', source],
    ['files of test/ and bench/', tests],
    ['folders', folders],
  ])('has no circle between %s', (_, graph) => {
    expect(findCircles(graph)).toEqual([]);
  });

  it('imports only files that exist', () => {
    const missing = [...source].flatMap(([file, targets]) =>
      targets.filter((target) => !source.has(target)).map((target) => `${file} -> ${target}`),
    );
    expect(missing).toEqual([]);
  });

  it('has a rule for every file', () => {
    const rules = [...Object.keys(MAY_IMPORT), ...VOCABULARY, ...ENTRY_POINTS];
    expect([...folders.keys()].sort()).toEqual(rules.sort());
  });

  it('imports only what the rules allow', () => {
    const wrong = [...source].flatMap(([file, targets]) => {
      const folder = folderOf(file);
      if (ENTRY_POINTS.includes(folder)) return [];
      const allowed = [folder, ...VOCABULARY, ...(MAY_IMPORT[folder] ?? [])];
      return targets
        .filter((target) => !allowed.includes(folderOf(target)))
        .map((target) => `${file} -> ${target}`);
    });
    expect(wrong).toEqual([]);
  });

  it('uses every permission of the rules', () => {
    const unused = Object.entries(MAY_IMPORT).flatMap(([folder, allowed]) =>
      allowed
        .filter((target) => !folders.get(folder)?.includes(target))
        .map((target) => `${folder} -> ${target}`),
    );
    expect(unused).toEqual([]);
  });

  it('loads the addon in the engine only', () => {
    const importers = [...source].filter(([, targets]) => targets.includes('ts/engine/native.ts'));
    expect(importers.map(([file]) => file).filter((file) => !file.startsWith('ts/engine/'))).toEqual([]);
  });
});

describe('findCircles', () => {
  const graph = (imports: Record<string, string[]>): Graph => new Map(Object.entries(imports));

  it('returns nothing for a diamond', () => {
    expect(findCircles(graph({ a: ['b', 'c'], b: ['d'], c: ['d'], d: [] }))).toEqual([]);
  });

  it('returns each circle with exactly its nodes', () => {
    const circles = findCircles(
      graph({ a: ['b'], b: ['c'], c: ['d', 'a'], d: ['e'], e: ['f'], f: ['e'], g: ['a'] }),
    );
    expect(circles.sort()).toEqual([
      ['a', 'b', 'c'],
      ['e', 'f'],
    ]);
  });

  it('joins circles that share a node', () => {
    expect(findCircles(graph({ a: ['b', 'c'], b: ['a'], c: ['a'] }))).toEqual([['a', 'b', 'c']]);
  });

  it('returns a node that imports itself', () => {
    expect(findCircles(graph({ a: ['a'], b: ['a'] }))).toEqual([['a']]);
  });

  it('finds circles between groups whose files have none', () => {
    const files = graph({ 'x/1': ['y/1'], 'y/1': [], 'y/2': ['x/2'], 'x/2': ['x/3'], 'x/3': [] });
    expect(findCircles(files)).toEqual([]);
    expect(findCircles(groupImports(files, (file) => file[0]!))).toEqual([['x', 'y']]);
  });
});

describe('readers of imports', () => {
  it('returns values, types, re-exports and import(), and no text in comments or strings', () => {
    const text = `
      // import { no } from './comment.js';
      const no = "import './string.js'";
      import { value } from './value.js';
      import type { Type } from '../type.js';
      export * from './exported.js';
      export type { Other } from './exportedType.js';
      type Inline = import('./inline.js').Inline;
      const lazy = await import('./lazy.js');
      import fs from 'node:fs';`;
    expect(typescriptImports('ts/a/b.ts', text)).toEqual(
      ['a/value', 'type', 'a/exported', 'a/exportedType', 'a/inline', 'a/lazy'].map(
        (file) => `ts/${file}.ts`,
      ),
    );
  });

  it('returns quoted includes only', () => {
    expect(includes('#include <vector>\n#include "a/b.h"\n  # include "c.cuh"\n// #include "d.h"\n')).toEqual(
      ['a/b.h', 'c.cuh'],
    );
  });
});

/** Imports go one way: docs/architecture.md. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';

const ts = join(import.meta.dirname, '..', 'ts');

/** What each folder of ts/ may import besides itself and the vocabulary that all of them speak. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  io: ['dicom'],
  engine: [],
  nn: ['engine'],
  optim: ['engine'],
  dicom: ['io'],
  data: ['io', 'dicom'],
  phantom: ['io', 'data', 'dicom'],
  model: ['io', 'engine', 'nn', 'data', 'training'],
  evaluation: [],
  report: ['io', 'evaluation'],
  training: ['io', 'engine', 'nn', 'optim', 'dicom', 'data', 'phantom', 'model', 'evaluation', 'report'],
  predict: ['engine', 'dicom', 'data', 'evaluation', 'model', 'training'],
  cli: ['io', 'engine', 'dicom', 'data', 'phantom', 'evaluation', 'report', 'model', 'training', 'predict'],
};
const VOCABULARY = ['anatomy.ts', 'error.ts', 'random.ts', 'data/types.ts'];

const files = readdirSync(ts, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));

/** Files of ts/ that a file imports, by their paths below ts/. */
function importsOf(file: string): string[] {
  const text = readFileSync(join(ts, file), 'utf8');
  const specifiers = [...text.matchAll(/(?:from|import)[ (]+'(\.[^']+)'/g)].map((match) => match[1]!);
  return specifiers.map((specifier) =>
    relative(ts, join(ts, dirname(file), specifier)).replace(/\.js$/, '.ts'),
  );
}

describe('imports', () => {
  const folders = [...new Set(files.filter((file) => file.includes('/')).map((file) => file.split('/')[0]!))];

  it('has a rule for every folder', () => {
    expect(folders.sort()).toEqual(Object.keys(MAY_IMPORT).sort());
  });

  it.each(folders)('of %s go one way', (folder) => {
    const allowed = [folder, ...MAY_IMPORT[folder]!];
    const wrong = files
      .filter((file) => file.startsWith(`${folder}/`))
      .flatMap((file) => importsOf(file).map((target) => [file, target] as const))
      .filter(([, target]) => !VOCABULARY.includes(target) && !allowed.includes(target.split('/')[0]!));
    expect(wrong).toEqual([]);
  });

  it('only the engine calls the addon', () => {
    const callers = files.filter((file) => importsOf(file).includes('engine/native.ts'));
    expect(callers.filter((file) => !file.startsWith('engine/'))).toEqual([]);
  });
});

/** Options and parsers that several commands share. An invalid value is a usage error: exit code 2. */
import { InvalidArgumentError, Option } from 'commander';
import { LAYOUT_NAMES } from '../data/layouts/layout.js';

export const deviceOption = (): Option =>
  new Option('--device <kind>', 'device: cpu, cuda, cuda:N, or auto, which is the CPU')
    .argParser((kind) => {
      if (/^(auto|cpu|cuda(:\d{1,3})?)$/.test(kind)) return kind;
      throw new InvalidArgumentError('expected auto, cpu, cuda or cuda:N.');
    })
    .default('auto');

/** The texts of a list such as `a,b`. */
export const listOf = (text: string): string[] => text.split(',').map((item) => item.trim());

/** `--task a,b`: a list of ids. */
export const tasksOption = (): Option =>
  new Option('--task <ids>', 'what is graded, separated by commas')
    .argParser(listOf)
    .default([] as string[], 'the default of the data set');

/** `--arms a,b`: names of arms, in the order of the report. */
export const armsOption = (): Option =>
  new Option(
    '--arms <names>',
    'graders to compare, separated by commas (default: scratch,frozen,contrastive)',
  ).argParser(listOf);

export const datasetOption = (): Option =>
  new Option('--dataset <layout>', 'layout of the data folder (default: recognised by its files)').choices(
    LAYOUT_NAMES,
  );

export function wholeNumber(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('expected a whole number.');
  return Number(text);
}

export function millimetres(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !(value > 0 && value < Infinity)) {
    throw new InvalidArgumentError('expected a number of mm above 0, such as 0.6.');
  }
  return value;
}

/** Parser of a repeatable option: appends the value. */
export const collect = (value: string, list: readonly string[]): string[] => [...list, value];

/** `--shard i/n`: part i of n, from 1. */
export const shardOption = (description: string): Option =>
  new Option('--shard <i/n>', description).argParser((text) => {
    const [, index, count] = /^(\d+)\/(\d+)$/.exec(text)?.map(Number) ?? [];
    if (index !== undefined && count !== undefined && index >= 1 && index <= count) return { index, count };
    throw new InvalidArgumentError('expected i/n with i from 1 to n, such as 1/4.');
  });

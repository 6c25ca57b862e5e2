/** Saves results in one file per day and machine. Later runs of the same day are appended. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';

export const processor = (): string => cpus()[0]!.model.trim();

const slug = (text: string): string => text.replace(/[^a-z0-9]+/gi, '-').toLowerCase();

/**
 * @param name processor or device, part of the file name
 * @returns the path of the file
 */
export function saveResults(
  folder: string,
  results: Readonly<Record<string, unknown>>,
  name: string = processor(),
): string {
  const date = new Date().toISOString();
  const machine = {
    processor: processor(),
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.version,
  };
  const file = join(folder, `${date.slice(0, 10)}-${slug(name)}.json`);
  mkdirSync(folder, { recursive: true });
  const earlier = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {};
  const merged = Object.entries(results).map(([key, value]) => [
    key,
    Array.isArray(value) && Array.isArray(earlier[key]) ? [...earlier[key], ...value] : value,
  ]);
  writeFileSync(file, `${JSON.stringify({ date, machine, ...Object.fromEntries(merged) }, null, 1)}\n`);
  return file;
}

/**
 * Compares the results of two run folders: the SHA-256 of each weight file, and every number in metrics.jsonl and
 * summary.json except times. Two runs of the same seed, settings, processor kind and thread count must be equal.
 *
 *     node scripts/compare-runs.js RUN_A RUN_B
 *
 * Numbers are compared without their keys, so runs of two versions that name a metric differently can be compared.
 * Exits with 1 if a weight file differs or if a number of RUN_A is missing from RUN_B.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const [a, b] = process.argv.slice(2);
if (!b) {
  console.error('usage: node scripts/compare-runs.js RUN_A RUN_B');
  process.exit(2);
}

/** All finite numbers of a JSON value with their paths, without the times under the key `timing`. */
function numbersOf(value, path) {
  if (typeof value === 'number') return [{ path, value }];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) =>
    key === 'timing' ? [] : numbersOf(inner, path ? `${path}.${key}` : key),
  );
}

function jsonOf(run, file) {
  const text = readFileSync(join(run, file), 'utf8');
  return file.endsWith('.jsonl')
    ? text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line))
    : JSON.parse(text);
}

/** Numbers of the first list that the second does not hold as often. */
function missing(from, list) {
  const counts = new Map();
  for (const { value } of list) counts.set(value, (counts.get(value) ?? 0) + 1);
  return from.filter(({ value }) => {
    const left = counts.get(value) ?? 0;
    counts.set(value, left - 1);
    return left <= 0;
  });
}

const hashOf = (path) => createHash('sha256').update(readFileSync(path)).digest('hex');
const weightsOf = (run) => readdirSync(join(run, 'weights')).sort();

let equal = true;
const names = new Set([...weightsOf(a), ...weightsOf(b)]);
for (const name of names) {
  const hashes = [a, b].map((run) =>
    weightsOf(run).includes(name) ? hashOf(join(run, 'weights', name)) : 'missing',
  );
  const same = hashes[0] === hashes[1];
  equal &&= same;
  console.log(
    `weights/${name}: ${same ? `equal (${hashes[0].slice(0, 12)})` : `DIFFERENT (${hashes.join(', ')})`}`,
  );
}
for (const file of ['metrics.jsonl', 'summary.json']) {
  const [numbersA, numbersB] = [a, b].map((run) => numbersOf(jsonOf(run, file), ''));
  const lost = missing(numbersA, numbersB);
  equal &&= lost.length === 0;
  const added = missing(numbersB, numbersA).length;
  console.log(
    `${file}: ${numbersA.length - lost.length} of ${numbersA.length} numbers equal, ${added} only in ${b}`,
  );
  for (const { path, value } of lost.slice(0, 10)) console.log(`  ${path}: ${value} is missing from ${b}`);
}
console.log(equal ? 'equal' : 'DIFFERENT');
process.exitCode = equal ? 0 : 1;

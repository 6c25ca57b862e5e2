/** Reads and checks model.json. A model is what people share, so every value is checked before it is used. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { SpinegradError } from '../error.js';
import { commandLine } from '../io/commandLine.js';
import { readText } from '../io/files.js';
import { parseJson } from '../io/json.js';
import { hashOfModel, MODEL_FILE, MODEL_VERSION, type ModelDescription, modelSchema } from './description.js';
import { contradictions } from './relations.js';

/**
 * Reads model.json of a run.
 *
 * @throws SpinegradError ERR_MODEL_MISSING; ERR_MODEL with the key, what was found and what was expected; ERR_TASK_MISMATCH;
 *   ERR_FILE_READ
 */
export async function readModel(dir: string): Promise<ModelDescription> {
  const path = join(dir, MODEL_FILE);
  const stored = await readObject(dir, path);
  const refuse = (keys: readonly PropertyKey[], expected: string) =>
    damaged(path, `${keys.join('.') || 'the top'}: found ${shownAt(stored, keys)}; ${expected}`);
  if (stored.version !== MODEL_VERSION) {
    throw new SpinegradError(
      'ERR_MODEL',
      `${path}: found version ${JSON.stringify(stored.version)}, expected ${MODEL_VERSION}: another version of spinegrad wrote ` +
        'it; use that version, or train again',
    );
  }
  const hash = hashOfModel(stored);
  if (stored.sha256 !== hash)
    throw refuse(['sha256'], `expected ${hash}, the SHA-256 of the other keys: the file was changed`);
  const { data, error } = modelSchema.safeParse(stored);
  if (error !== undefined) {
    const { path: keys, message } = error.issues[0]!;
    throw refuse(keys, message.replace(/^(Invalid \w+|Too small|Too big): /, ''));
  }
  expectTasks(path, data);
  const [contradiction] = contradictions(data);
  if (contradiction !== undefined) throw refuse(contradiction.path, `expected ${contradiction.expected}`);
  return data;
}

async function readObject(dir: string, path: string): Promise<Partial<ModelDescription>> {
  if (!existsSync(path)) {
    const advice = existsSync(join(dir, 'config.json'))
      ? `the run in ${dir} is not finished; resume it with \`${commandLine('train', '--resume', '--out', dir)}\``
      : `expected the folder of a finished run; make one with \`${commandLine('train')}\``;
    throw new SpinegradError('ERR_MODEL_MISSING', `${path}: there is no such file; ${advice}`);
  }
  const text = await readText(path);
  let stored: unknown;
  try {
    stored = parseJson(text);
  } catch (cause) {
    throw damaged(path, 'is not JSON', cause);
  }
  if (typeof stored === 'object' && stored !== null) return stored;
  throw damaged(path, `found ${shownAt(stored, [])}, expected an object`);
}

/** Refuses a model whose heads or calibrations are not those of its tasks. */
function expectTasks(path: string, { trainedOn, arms }: ModelDescription): void {
  const scales = (heads: readonly { task: string; grades: number }[]) =>
    heads.map(({ task, grades }) => `${task} (${grades} grades)`).join(', ');
  const tasks = scales(trainedOn.tasks.map(({ id, grades }) => ({ task: id, grades: grades.length })));
  const parts = arms.flatMap(({ name, network, calibration }) => {
    const calibrated = calibration.map(({ task, minimums }) => ({ task, grades: minimums.length }));
    return [
      `arm ${name} grades ${scales(network.heads)}`,
      `arm ${name} is calibrated for ${scales(calibrated)}`,
    ];
  });
  const other = parts.find((part) => !part.endsWith(` ${tasks}`));
  if (other === undefined) return;
  throw new SpinegradError(
    'ERR_TASK_MISMATCH',
    `${path}: the model's tasks are ${tasks}, ${other}; copy the run's folder again, or use the version of spinegrad that ` +
      'trained it',
  );
}

const damaged = (path: string, found: string, cause?: unknown): SpinegradError =>
  new SpinegradError('ERR_MODEL', `${path}: ${found}; copy the run's folder again`, { cause });

/** The start of the JSON of a value. */
function shownAt(stored: unknown, keys: readonly PropertyKey[]): string {
  const found = keys.reduce<unknown>(
    (inner, key) => (inner as Record<PropertyKey, unknown> | undefined)?.[key],
    stored,
  );
  return JSON.stringify(found)?.slice(0, 80) ?? 'nothing';
}

/** Argument checks of the operations on lists of tensors: optimizers, clipping, averages. */
import { found } from '../../arguments.js';
import { SpinegradError } from '../../error.js';
import { expectTensor, Tensor, type TensorDevice } from '../tensor.js';

/**
 * Checks a list of tuples: the tensors of a tuple share one shape, all live on one device, and none occurs twice (two
 * threads would write it). Returns that device and one list for each name, or undefined for an empty list.
 */
export function expectTuples<Name extends string>(
  operation: string,
  tuples: readonly Readonly<Record<Name, Tensor>>[],
  names: readonly Name[],
): { device: TensorDevice; tensors: Record<Name, Tensor[]> } | undefined {
  if (!Array.isArray(tuples)) {
    throw new SpinegradError('ERR_ARGUMENT', `${operation}(): expected an array, found ${typeof tuples}`);
  }
  let device: TensorDevice | undefined;
  const seen = new Set<Tensor>();
  for (const [index, tuple] of tuples.entries()) {
    const first = tuple?.[names[0]!];
    for (const name of names) {
      const tensor = tuple?.[name];
      const argument = `[${index}].${name}`;
      expectTensor(operation, argument, tensor, { shape: first?.shape, device: device ?? first?.device });
      device ??= tensor.device;
      if (seen.has(tensor)) {
        throw new SpinegradError(
          'ERR_ARGUMENT',
          `${operation}(): ${argument}: expected each tensor once, found it twice`,
        );
      }
      seen.add(tensor);
    }
  }
  if (!device) return undefined;
  const tensors = {} as Record<Name, Tensor[]>;
  for (const name of names) tensors[name] = tuples.map((tuple) => tuple[name]);
  return { device, tensors };
}

/** Parameters by name, such as those of `module.parameters()`, or in an order; then the indices are the names. */
export type Parameters = ReadonlyMap<string, Tensor> | Iterable<Tensor>;

/** Parameters with common settings. Missing settings default to those of the optimizer. */
export type ParameterGroup<Settings> = Partial<Settings> & {
  /** For messages and logs. */
  name: string;
  parameters: Parameters;
};

interface NamedGroup<Settings> {
  name: string;
  parameters: ReadonlyMap<string, Tensor>;
  settings: Partial<Settings>;
}

/**
 * @internal The groups of parameters that a caller gave in any form. Parameters without groups are the group `all`.
 *
 * @throws SpinegradError ERR_PARAMETER for another form; ERR_DISPOSED, ERR_DTYPE for a parameter
 */
export function groupsOf<Settings>(
  operation: string,
  given: Parameters | readonly ParameterGroup<Settings>[],
): NamedGroup<Settings>[] {
  const isGroup = (value: unknown): value is ParameterGroup<Settings> =>
    typeof value === 'object' && value !== null && 'parameters' in value;
  const groups: readonly unknown[] =
    Array.isArray(given) && given.some(isGroup) ? given : [{ name: 'all', parameters: given }];
  return groups.map((group) => {
    if (!isGroup(group)) throw unknownForm(operation, group);
    const { name, parameters, ...settings } = group;
    const entries: unknown[] | undefined =
      typeof parameters?.[Symbol.iterator] === 'function' ? [...parameters] : undefined;
    if (!entries) throw unknownForm(operation, parameters);
    const named = entries.map((entry, index) => {
      const [key, tensor] = Array.isArray(entry) ? entry : [`${index}`, entry];
      if (!(tensor instanceof Tensor)) throw unknownForm(operation, entry);
      expectTensor(operation, `parameter ${key}`, tensor);
      return [groups.length > 1 && !Array.isArray(entry) ? `${name}.${key}` : key, tensor] as const;
    });
    return { name, parameters: new Map(named), settings: settings as Partial<Settings> };
  });
}

function unknownForm(operation: string, value: unknown): SpinegradError {
  return new SpinegradError(
    'ERR_PARAMETER',
    `${operation}(): parameters: expected the Map of module.parameters(), an array of tensors, or an array of groups ` +
      `{ name, parameters }, found ${found(value)}`,
  );
}

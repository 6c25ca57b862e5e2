/** Argument checks of the operations on lists of tensors: optimizers, clipping, averages. */
import { SpinegradError } from '../../error.js';
import { expectTensor, type Tensor, type TensorDevice } from '../tensor.js';

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

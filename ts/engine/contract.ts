/**
 * Contracts: the inputs, outputs and attributes of native operations by name.
 *
 * native/engine/contracts.h defines them. Each file of ts/engine/ops states the fields that it passes, and a device
 * compares both lists once, when it opens.
 */
import { SpinegradError } from '../error.js';
import type { NativeContract, TensorHandle } from './native.js';

/** `?`: may be absent. `update`: read, and written in place. Lists of one call are equally long. */
type TensorType = 'input' | 'input?' | 'input[]' | 'output' | 'output?' | 'update' | 'update[]';
/** `integer` has 64 bits. An array is an enumeration: its words. */
type AttributeType = 'real' | 'integer' | 'uint32' | 'flag' | 'real[]' | readonly string[];

export type FieldType = TensorType | AttributeType;
export type Fields = Readonly<Record<string, FieldType>>;

interface HasHandle {
  readonly handle: TensorHandle;
}

type ValueOf<Type extends FieldType> = Type extends readonly string[]
  ? Type[number]
  : Type extends 'input[]' | 'update[]'
    ? readonly HasHandle[]
    : Type extends TensorType
      ? HasHandle
      : Type extends 'flag'
        ? boolean
        : Type extends 'real[]'
          ? readonly number[]
          : number;

type OptionalName<F extends Fields> = {
  [Name in keyof F]: F[Name] extends `${string}?` ? Name : never;
}[keyof F];

/** What a call passes. Write the fields out: an object spread costs more than the rest of a call. */
export type Values<F extends Fields> = {
  readonly [Name in Exclude<keyof F, OptionalName<F>>]: ValueOf<F[Name]>;
} & { readonly [Name in OptionalName<F>]?: ValueOf<F[Name]> | undefined };

export interface Contract<F extends Fields = Fields> {
  readonly name: string;
  readonly fields: F;
  /** Index in `contracts()`. */
  readonly id: number;
}

const defined: Contract[] = [];

/** Defines the contract of the native operation `name`, for instance `conv2d.fprop`. */
export function contract<const F extends Fields>(name: string, fields: F): Contract<F> {
  const made = { name, fields, id: defined.length };
  defined.push(made);
  return made;
}

/** Fields of elementwise operations. `saved` is x or y. */
export const UNARY = { x: 'input', y: 'output' } as const;
export const UNARY_BACKWARD = { saved: 'input', dy: 'input', dx: 'output' } as const;
export const BINARY = { a: 'input', b: 'input', y: 'output' } as const;

/** All contracts defined so far. */
export const contracts = (): readonly Contract[] => defined;

const typeName = (type: FieldType): string => (typeof type === 'string' ? type : type.join(', '));

const mismatch = (what: string, found: string, expected: string): SpinegradError =>
  new SpinegradError(
    'ERR_CONTRACT',
    `${what}: found ${found} in the native addon, expected ${expected}; the addon and the JavaScript files are of ` +
      `different versions, build both again`,
  );

/** Throws `ERR_CONTRACT` unless the addon describes exactly the fields of the contract. */
export function checkContract({ name, fields }: Contract, native: NativeContract | undefined): void {
  if (!native) throw mismatch(`operation ${name}`, 'none', 'one');
  for (const field of new Set([...Object.keys(fields), ...Object.keys(native.fields)])) {
    const expected = field in fields ? typeName(fields[field]!) : 'none';
    const found = native.fields[field] ?? 'none';
    if (found !== expected) throw mismatch(`operation ${name}, field ${field}`, found, expected);
  }
}

type Named = Readonly<Record<string, unknown>>;

/** Puts the named values of a call in the order in which the addon takes them. */
export class Encoder {
  readonly #tensors: readonly string[];
  readonly #attributes: readonly string[];
  /** For each attribute, the words of an enumeration. */
  readonly #words: readonly (readonly string[] | undefined)[];
  readonly #tensorLists: boolean;
  /** Overwritten by each call; undefined if a call has another length each time. */
  readonly #numbers: Float64Array | undefined;

  constructor(
    { fields }: Contract,
    order: readonly string[],
    /** Index of the operation in the addon. */
    readonly operation: number,
  ) {
    const isTensor = (name: string): boolean => /^(input|output|update)/.test(String(fields[name]));
    this.#tensors = order.filter(isTensor);
    this.#attributes = order.filter((name) => !isTensor(name));
    this.#words = this.#attributes.map((name) => {
      const type = fields[name]!;
      return typeof type === 'string' ? undefined : type;
    });
    const types = Object.values(fields).map(String);
    this.#tensorLists = types.some((type) => /^(input|update)\[\]$/.test(type));
    this.#numbers = types.includes('real[]') ? undefined : new Float64Array(this.#attributes.length);
  }

  tensors(values: Named): (TensorHandle | undefined)[] {
    const handles: (TensorHandle | undefined)[] = [];
    const names = this.#tensors;
    for (let i = 0; i < names.length; i++) {
      const value = values[names[i]!] as HasHandle | readonly HasHandle[] | undefined;
      if (this.#tensorLists && Array.isArray(value)) for (const one of value) handles.push(one.handle);
      else handles.push((value as HasHandle | undefined)?.handle);
    }
    return handles;
  }

  /** Valid until the next call; undefined for none. */
  attributes(values: Named): Float64Array | undefined {
    const names = this.#attributes;
    if (names.length === 0) return undefined;
    const numbers = this.#numbers;
    if (!numbers) return this.#lists(values);
    for (let i = 0; i < names.length; i++) numbers[i] = this.#number(i, values[names[i]!]);
    return numbers;
  }

  #number(index: number, value: unknown): number {
    return typeof value === 'string' ? this.#words[index]!.indexOf(value) : Number(value);
  }

  /** A list is its length followed by its numbers. */
  #lists(values: Named): Float64Array {
    const numbers = this.#attributes.map((name, index) => {
      const value = values[name];
      return Array.isArray(value) ? [value.length, ...value] : [this.#number(index, value)];
    });
    return Float64Array.from(numbers.flat());
  }
}

/** NumPy's .npy format, version 1.0 (numpy.lib.format). */

/** Encodes `parts`, one after the other, as little-endian float32 in C order. */
export function npyBytes(shape: readonly number[], parts: readonly ArrayLike<number>[]): Buffer {
  const dimensions = shape.length === 1 ? `${shape[0]},` : shape.join(', ');
  const dictionary = `{'descr': '<f4', 'fortran_order': False, 'shape': (${dimensions}), }`;
  const prefix = 10;
  const header = `${dictionary.padEnd(Math.ceil((dictionary.length + prefix + 1) / 64) * 64 - prefix - 1)}\n`;
  const magic = Buffer.from([0x93, ...Buffer.from('NUMPY'), 1, 0, header.length & 0xff, header.length >> 8]);
  const data = parts.map((part) => Buffer.from(Float32Array.from(part).buffer));
  return Buffer.concat([magic, Buffer.from(header, 'latin1'), ...data]);
}

import { chmod, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeFolder, writeError, writeFileAtomic } from '#spinegrad/io/atomic.js';
import { readSafetensors, readSafetensorsFile, writeSafetensors } from '#spinegrad/io/safetensors.js';
import golden from './golden/safetensors.json' with { type: 'json' };

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'spinegrad-safetensors-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** A file with any header and any data. */
async function forge(header: unknown, bytes: number, length?: number): Promise<string> {
  const path = join(folder, 'forged.safetensors');
  const text = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(length ?? text.byteLength));
  await writeFile(path, Buffer.concat([size, text, Buffer.alloc(bytes, 1)]));
  return path;
}

const code = (name: string) => expect.objectContaining({ code: name });

describe('safetensors', () => {
  test('what was written is read: values, shapes, types, metadata', async () => {
    const path = join(folder, 'a.safetensors');
    const array = fc.oneof(
      fc.float32Array({ noNaN: true }),
      fc.int32Array(),
      fc.uint16Array(),
      fc.uint8Array(),
    );
    const names = fc
      .string({ minLength: 1 })
      .filter((name) => name !== '__metadata__' && name !== '__proto__');
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.tuple(names, array), { selector: ([name]) => name }),
        async (entries) => {
          const tensors = new Map(entries.map(([name, data]) => [name, { shape: [1, data.length], data }]));
          await writeSafetensors(path, tensors, { made: 'by a test' });
          const found = await readSafetensorsFile(path);
          expect(found.metadata).toEqual({ made: 'by a test' });
          expect(new Set(found.tensors.keys())).toEqual(new Set(tensors.keys()));
          for (const [name, { shape, data }] of tensors) {
            expect(found.tensors.get(name)).toMatchObject({ shape, data });
            expect(found.tensors.get(name)!.data.constructor).toBe(data.constructor);
          }
        },
      ),
      { numRuns: 50 },
    );
  });

  test('a file of the safetensors library is read', async () => {
    const path = join(folder, 'golden.safetensors');
    await writeFile(path, Buffer.from(golden.file, 'base64'));
    const { tensors, metadata } = await readSafetensorsFile(path);
    expect(metadata).toEqual({ format: 'np' });
    expect(tensors.size).toBe(Object.keys(golden.tensors).length);
    for (const [name, { shape, data }] of Object.entries(golden.tensors)) {
      const found = tensors.get(name)!;
      expect(found.shape).toEqual(shape);
      expect([...found.data]).toEqual(found.dtype === 'F32' ? data.map(Math.fround) : data);
    }
  });

  test('tensors are views of one buffer, and data begin at a multiple of 8 bytes', async () => {
    const path = join(folder, 'views.safetensors');
    await writeSafetensors(path, {
      a: { shape: [3], data: new Uint8Array([1, 2, 3]) },
      b: { shape: [2], data: new Float32Array([1.5, -2]) },
    });
    const tensors = await readSafetensors(path);
    expect(tensors.get('a')!.data.buffer).toBe(tensors.get('b')!.data.buffer);
    expect((await readFile(path)).readUInt32LE() % 8).toBe(0);
  });

  test('I64 is read as numbers, if they are safe', async () => {
    const header = { n: { dtype: 'I64', shape: [1], data_offsets: [0, 8] } };
    const path = await forge(header, 8);
    await expect(readSafetensors(path)).rejects.toThrow(code('ERR_SAFETENSORS_RANGE'));
    await writeFile(path, Buffer.concat([(await readFile(path)).subarray(0, -7), Buffer.alloc(7)]));
    expect((await readSafetensors(path)).get('n')).toEqual({
      dtype: 'I64',
      shape: [1],
      data: new Float64Array([1]),
    });
  });

  const u8 = (from: number, to: number) => ({ dtype: 'U8', shape: [to - from], data_offsets: [from, to] });
  test.each<[string, unknown, number, number?]>([
    ['ERR_SAFETENSORS_HEADER', '[1, 2]', 0],
    ['ERR_SAFETENSORS_HEADER', '{"a": ', 0],
    ['ERR_SAFETENSORS_HEADER', { a: 5 }, 0],
    ['ERR_SAFETENSORS_HEADER', { a: { dtype: 'U8', shape: [-1], data_offsets: [0, 1] } }, 1],
    ['ERR_SAFETENSORS_HEADER', '{}', 0, 1e12],
    ['ERR_SAFETENSORS_TRUNCATED', '{}', 0, 1000],
    ['ERR_SAFETENSORS_TRUNCATED', { a: u8(0, 9) }, 5],
    ['ERR_SAFETENSORS_TRUNCATED', { a: u8(0, 4) }, 5],
    ['ERR_SAFETENSORS_OFFSETS', { a: { dtype: 'F32', shape: [2], data_offsets: [0, 4] } }, 4],
    ['ERR_SAFETENSORS_OFFSETS', { a: { dtype: 'U8', shape: [2], data_offsets: [4, 2] } }, 4],
    ['ERR_SAFETENSORS_OVERLAP', { a: u8(0, 3), b: u8(2, 4) }, 4],
    ['ERR_SAFETENSORS_OVERLAP', { a: u8(0, 2), b: u8(3, 4) }, 4],
    ['ERR_SAFETENSORS_DTYPE', { a: { dtype: 'F16', shape: [1], data_offsets: [0, 2] } }, 2],
  ])('%s: %j with %i bytes', async (expected, header, bytes, length) => {
    const path = await forge(header, bytes, length);
    await expect(readSafetensors(path)).rejects.toThrow(code(expected));
    await expect(readSafetensors(path)).rejects.toThrow(path);
  });

  test('a file cut anywhere is an error, never wrong numbers', async () => {
    const path = join(folder, 'cut.safetensors');
    await writeSafetensors(path, { a: { shape: [4], data: new Float32Array(4) } });
    const { byteLength } = await readFile(path);
    for (let size = byteLength - 1; size >= 0; size -= 3) {
      await truncate(path, size);
      await expect(readSafetensors(path)).rejects.toThrow(code('ERR_SAFETENSORS_TRUNCATED'));
    }
  });

  test('no file, and a shape that does not fit', async () => {
    await expect(readSafetensors(join(folder, 'none'))).rejects.toThrow(code('ERR_FILE_NOT_FOUND'));
    const wrong = { a: { shape: [5], data: new Float32Array(4) } };
    await expect(writeSafetensors(join(folder, 'b'), wrong)).rejects.toThrow(code('ERR_SHAPE'));
  });
});

describe('atomic writing', () => {
  test('replaces the old file and leaves no temporary one', async () => {
    const path = join(folder, 'replaced.json');
    await writeFileAtomic(path, 'old');
    await writeFileAtomic(path, [Buffer.from('ne'), Buffer.from('w')]);
    expect(await readFile(path, 'utf8')).toBe('new');
    expect((await readdir(folder)).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  test('a folder that is not there, or is a file, is named', async () => {
    const none = join(folder, 'no/such/folder.json');
    await expect(writeFileAtomic(none, 'x')).rejects.toThrow(code('ERR_WRITE'));
    await expect(writeFileAtomic(none, 'x')).rejects.toThrow(none);
    await writeFile(join(folder, 'file'), '');
    await expect(makeFolder(join(folder, 'file/below'))).rejects.toThrow(code('ERR_WRITE'));
  });

  test('a file system that takes no files is named', async () => {
    await expect(writeFileAtomic('/proc/spinegrad', 'x')).rejects.toThrow(code('ERR_WRITE'));
    await expect(makeFolder('/proc/spinegrad')).rejects.toThrow(code('ERR_WRITE'));
  });

  test.skipIf(process.getuid?.() === 0)('a read-only folder keeps its old file', async () => {
    const path = join(folder, 'locked');
    await makeFolder(path);
    await writeFileAtomic(join(path, 'a'), 'old');
    await chmod(path, 0o500);
    await expect(writeFileAtomic(join(path, 'a'), 'new')).rejects.toThrow(code('ERR_WRITE'));
    await chmod(path, 0o700);
    expect(await readFile(join(path, 'a'), 'utf8')).toBe('old');
  });

  test('a full disk is told as such', async () => {
    const cause = await writeFile('/dev/full', 'x').then(
      () => null,
      (error: unknown) => error,
    );
    expect(writeError('a.bin', cause)).toMatchObject({ code: 'ERR_DISK_FULL' });
    expect(writeError('a.bin', Object.assign(new Error('x'), { code: 'EROFS' }))).toMatchObject({
      code: 'ERR_WRITE',
      message: expect.stringContaining('read-only'),
    });
  });
});

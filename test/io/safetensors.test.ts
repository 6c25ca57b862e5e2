import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readSafetensors, readSafetensorsFile, writeSafetensors } from '#spinegrad/io/safetensors.js';
import { readModel } from '#spinegrad/model/readModel.js';
import golden from './golden/safetensors.json' with { type: 'json' };

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'spinegrad-safetensors-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** Writes a file with this header and `bytes` bytes of data. */
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
  test('reads the values, shapes, types and metadata that were written', async () => {
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

  test('refuses a pipe instead of waiting for a writer, also as model.json', async () => {
    const pipe = join(folder, 'model.json');
    execFileSync('mkfifo', [pipe]);
    const refused = {
      code: 'ERR_FILE_READ',
      message: expect.stringContaining(`${pipe}: cannot be read: it is a pipe`),
    };
    await expect(readSafetensors(pipe)).rejects.toMatchObject(refused);
    await expect(readModel(folder)).rejects.toMatchObject(refused);
  });

  test('reads a file of the safetensors library', async () => {
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

  test('returns views of one buffer, and data begin at a multiple of 8 bytes', async () => {
    const path = join(folder, 'views.safetensors');
    await writeSafetensors(path, {
      a: { shape: [3], data: new Uint8Array([1, 2, 3]) },
      b: { shape: [2], data: new Float32Array([1.5, -2]) },
    });
    const tensors = await readSafetensors(path);
    expect(tensors.get('a')!.data.buffer).toBe(tensors.get('b')!.data.buffer);
    expect((await readFile(path)).readUInt32LE() % 8).toBe(0);
  });

  test('reads I64 as numbers and rejects values above 2^53', async () => {
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

  test('throws ERR_SAFETENSORS_TRUNCATED for a file truncated at any byte', async () => {
    const path = join(folder, 'cut.safetensors');
    await writeSafetensors(path, { a: { shape: [4], data: new Float32Array(4) } });
    const { byteLength } = await readFile(path);
    for (let size = byteLength - 1; size >= 0; size -= 3) {
      await truncate(path, size);
      await expect(readSafetensors(path)).rejects.toThrow(code('ERR_SAFETENSORS_TRUNCATED'));
    }
  });

  test('throws if the file is missing or the shape does not match', async () => {
    await expect(readSafetensors(join(folder, 'none'))).rejects.toThrow(code('ERR_FILE_NOT_FOUND'));
    const mismatch = { a: { shape: [5], data: new Float32Array(4) } };
    await expect(writeSafetensors(join(folder, 'b'), mismatch)).rejects.toThrow(code('ERR_SHAPE'));
  });
});

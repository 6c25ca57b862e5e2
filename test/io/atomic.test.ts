import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeFolder, writeError, writeFileAtomic } from '#spinegrad/io/atomic.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'spinegrad-atomic-'));
});
afterAll(() => rm(folder, { recursive: true }));

const code = (name: string) => expect.objectContaining({ code: name });

describe('writeFileAtomic', () => {
  test('replaces a file and leaves no temporary file', async () => {
    const path = join(folder, 'replaced.json');
    await writeFileAtomic(path, 'old');
    await writeFileAtomic(path, [Buffer.from('ne'), Buffer.from('w')]);
    expect(await readFile(path, 'utf8')).toBe('new');
    expect((await readdir(folder)).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  test('throws ERR_WRITE with the path if the folder is missing or is a file', async () => {
    const missing = join(folder, 'no/such/folder.json');
    await expect(writeFileAtomic(missing, 'x')).rejects.toThrow(code('ERR_WRITE'));
    await expect(writeFileAtomic(missing, 'x')).rejects.toThrow(missing);
    await writeFile(join(folder, 'file'), '');
    await expect(makeFolder(join(folder, 'file/below'))).rejects.toThrow(code('ERR_WRITE'));
  });

  test('throws ERR_WRITE below /proc', async () => {
    await expect(writeFileAtomic('/proc/spinegrad', 'x')).rejects.toThrow(code('ERR_WRITE'));
    await expect(makeFolder('/proc/spinegrad')).rejects.toThrow(code('ERR_WRITE'));
  });

  test.skipIf(process.getuid?.() === 0)('keeps the old file in a read-only folder', async () => {
    const path = join(folder, 'locked');
    await makeFolder(path);
    await writeFileAtomic(join(path, 'a'), 'old');
    await chmod(path, 0o500);
    await expect(writeFileAtomic(join(path, 'a'), 'new')).rejects.toThrow(code('ERR_WRITE'));
    await chmod(path, 0o700);
    expect(await readFile(join(path, 'a'), 'utf8')).toBe('old');
  });

  test('throws ERR_DISK_FULL if the disk is full', async () => {
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

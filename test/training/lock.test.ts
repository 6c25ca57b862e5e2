/** The lock of a run folder, and the device of a resumed run. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { lockFolder } from '#spinegrad/training/lock.js';
import { failure, root, spinegrad } from '../cli/command.js';
import { readSummary, temporaryFolder, tinyStudies, trainHere } from './runs.js';

const HOLD = `
  const { lockFolder } = await import('#spinegrad/training/lock.js');
  lockFolder(process.argv[1]);
  console.log('locked');
  setInterval(() => {}, 1000);`;

/** A process that holds the lock of a folder. */
async function holder(dir: string) {
  const child = spawn(process.execPath, ['--input-type=module', '--eval', HOLD, dir], { cwd: root });
  await once(child.stdout, 'data');
  return child;
}

describe('the lock of a folder', () => {
  it('refuses a second process, names the first one, and is removed on dispose', async () => {
    const dir = await temporaryFolder();
    const first = await holder(dir);
    expect(() => lockFolder(dir)).toThrow(`process ${first.pid} is using this folder`);
    expect(failure(await spinegrad('train', '--preset', 'smoke', '--out', dir))).toMatch(/ERR_RUN_LOCKED: /);
    first.kill('SIGKILL');
    await once(first, 'exit');
    const lock = lockFolder(dir);
    expect(lock.tookOver).toBe(`${first.pid}`);
    expect(() => lockFolder(dir)).toThrow(`process ${process.pid} is using this folder`);
    lock[Symbol.dispose]();
    expect(existsSync(join(dir, 'lock'))).toBe(false);
    expect(lockFolder(dir).tookOver).toBeUndefined();
  });

  it('is replaced if another process has the id of the owner now, but not if the owner is on another machine', async () => {
    const dir = await temporaryFolder();
    writeFileSync(join(dir, 'lock'), `${process.pid} 1 ${hostname()}`);
    lockFolder(dir)[Symbol.dispose]();
    writeFileSync(join(dir, 'lock'), '7 1 elsewhere');
    expect(() => lockFolder(dir)).toThrow(/process 7 on elsewhere.* or delete .*lock if it has ended/);
  });
});

it('a resumed run keeps its number of threads, and reports a device whose bits differ', async () => {
  const dir = await temporaryFolder();
  await trainHere(dir, await tinyStudies());
  const path = join(dir, 'config.json');
  const config = JSON.parse(readFileSync(path, 'utf8'));
  expect(config.machine).toMatchObject({ device: 'cpu', threads: readSummary(dir).threads });
  const resume = () => spinegrad('train', '--device', 'cpu', '--resume', '--out', dir);
  expect((await resume()).stderr).not.toContain('bits');

  const threads = config.machine.threads + 1;
  writeFileSync(path, JSON.stringify({ ...config, machine: { ...config.machine, threads } }));
  const { stderr } = await resume();
  expect(stderr).toContain(`CPU, ${threads} threads`);
  expect(stderr).toMatch(
    /the run began on cpu \(.*\); its bits will differ from those of an uninterrupted run/,
  );
});

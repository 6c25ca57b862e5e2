/** One process a run folder, and a run that goes on as it began. */
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

/** A process that holds a folder's lock. */
async function holder(dir: string) {
  const child = spawn(process.execPath, ['--input-type=module', '--eval', HOLD, dir], { cwd: root });
  await once(child.stdout, 'data');
  return child;
}

describe('the lock of a folder', () => {
  it('keeps a second process out, by its number, and goes when it is disposed', async () => {
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

  it('of a process whose number another one has now is taken over; of another machine it is not', async () => {
    const dir = await temporaryFolder();
    writeFileSync(join(dir, 'lock'), `${process.pid} 1 ${hostname()}`);
    lockFolder(dir)[Symbol.dispose]();
    writeFileSync(join(dir, 'lock'), '7 1 elsewhere');
    expect(() => lockFolder(dir)).toThrow(/process 7 on elsewhere.* or delete .*lock if it has ended/);
  });
});

it('a run goes on with the threads it began with, and says where bits will differ', async () => {
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

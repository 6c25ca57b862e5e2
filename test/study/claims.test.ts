import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Claims, STALE_MS } from '#spinegrad/study/claims.js';
import { root } from '../cli/command.js';
import { temporaryFolder } from '../training/runs.js';

const TAKE = `
  const { Claims } = await import('#spinegrad/study/claims.js');
  console.log(new Claims(process.argv[1]).take('unit') === null ? 'refused' : 'taken');
  setInterval(() => {}, 1000);`;

/** A process that tries to claim a unit, and lives on. */
async function taker(dir: string) {
  const child = spawn(process.execPath, ['--input-type=module', '--eval', TAKE, dir], { cwd: root });
  const [answer] = await once(child.stdout, 'data');
  return { child, answer: `${answer}`.trim() };
}

describe('a claim', () => {
  it('is held by one process of several, and free again after its end or a kill', async () => {
    const dir = await temporaryFolder();
    const claims = new Claims(dir);
    expect(claims.holder('unit')).toBeNull();
    const takers = await Promise.all([taker(dir), taker(dir), taker(dir)]);
    const holders = takers.filter(({ answer }) => answer === 'taken');
    expect(takers.map(({ answer }) => answer).sort()).toEqual(['refused', 'refused', 'taken']);
    expect(claims.holder('unit')).toMatchObject({ pid: `${holders[0]!.child.pid}`, local: true });
    expect(claims.take('unit')).toBeNull();
    for (const { child } of takers) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    expect(claims.holder('unit')).toBeNull();
    const claim = claims.take('unit')!;
    expect(claims.holder('unit')).toMatchObject({ pid: `${process.pid}` });
    expect(claims.take('unit')).toBeNull();
    claim[Symbol.dispose]();
    expect(claims.holder('unit')).toBeNull();
    expect(claims.take('unit')).not.toBeNull();
  });

  it('of another machine is respected until it has not been touched for long', async () => {
    const dir = await temporaryFolder();
    const claims = new Claims(dir);
    const path = join(dir, 'unit.4');
    writeFileSync(path, `${Date.now()} 7 1 elsewhere`);
    expect(claims.holder('unit')).toMatchObject({ pid: '7', host: 'elsewhere' });
    expect(claims.take('unit')).toBeNull();
    expect(claims.take('unit-2')).not.toBeNull();
    const old = new Date(Date.now() - STALE_MS - 1000);
    utimesSync(path, old, old);
    expect(claims.holder('unit')).toBeNull();
    expect(claims.take('unit')).not.toBeNull();
    expect(claims.take('unit')).toBeNull();
  });
});

/**
 * Ends the process of fuzz.js if a mutation takes too long; the main thread may be in an endless loop. Time is that of the
 * processors, because other work on the machine takes its share; a reader that only waits has a limit of its own.
 */
import { writeSync } from 'node:fs';
import { workerData } from 'node:worker_threads';

const WAIT_SECONDS = 60;

const { position, maxSeconds } = workerData;
const busySeconds = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};
let last;
setInterval(() => {
  const mutation = Atomics.load(position, 0);
  if (last?.mutation !== mutation) last = { mutation, start: Date.now(), busy: busySeconds() };
  if (busySeconds() - last.busy < maxSeconds && Date.now() - last.start < 1000 * WAIT_SECONDS) return;
  writeSync(2, `mutation ${mutation} takes more than ${maxSeconds} s\n`);
  process.kill(process.pid, 'SIGKILL');
}, 250);

/**
 * Preloaded by `node --import` into a run: it sends the process a signal when a certain file is opened, or a study given
 * to a thread (`study ID`), so that tests stop runs at any place, and at the same one every time. SPINEGRAD_TEST_STOP holds
 * a list of [regular expression of the path, which opening of it (from 1), signal]. SIGKILL strikes in the middle of the
 * first write: half of it is done.
 */
import fs from 'node:fs';
import fsp from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { isMainThread, Worker } from 'node:worker_threads';

const stops = JSON.parse(process.env.SPINEGRAD_TEST_STOP).map(([path, nth, signal]) => ({
  path: new RegExp(path),
  left: nth,
  signal,
}));

function signalFor(path) {
  const due = stops.filter((stop) => stop.path.test(path)).filter((stop) => --stop.left === 0);
  return due[0]?.signal;
}

function strike(signal) {
  process.kill(process.pid, signal);
  // The kernel may let this thread run on for a moment.
  while (signal === 'SIGKILL') fs.statSync('.');
}

const { appendFileSync } = fs;
fs.appendFileSync = (path, text) => {
  const signal = signalFor(path);
  appendFileSync(path, signal === 'SIGKILL' ? text.slice(0, text.length / 2) : text);
  if (signal) strike(signal);
};

const { open } = fsp;
fsp.open = async (path, ...options) => {
  const file = await open(path, ...options);
  const signal = signalFor(path);
  if (signal && signal !== 'SIGKILL') strike(signal);
  if (signal === 'SIGKILL') {
    file.write = (bytes) => {
      fs.writeSync(file.fd, bytes.subarray(0, bytes.length / 2));
      strike(signal);
    };
    // Of an empty file there is no write.
    file.sync = () => strike(signal);
  }
  return file;
};

const { postMessage } = Worker.prototype;
Worker.prototype.postMessage = function (message, ...options) {
  postMessage.call(this, message, ...options);
  const signal = message.study && signalFor(`study ${message.study.studyId}`);
  if (signal) strike(signal);
};

// Worker threads load this too, and would count for themselves.
if (isMainThread) syncBuiltinESMExports();

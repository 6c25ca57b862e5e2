/**
 * Preloaded into a run with `node --import`: sends the process a signal when it opens a certain file or gives a study to a
 * worker thread (`study ID`), so that tests stop runs at reproducible places. SPINEGRAD_TEST_STOP is a list of [regular
 * expression of the path, number of the opening (from 1), signal]. SIGKILL is sent after half of the first write.
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

function send(signal) {
  process.kill(process.pid, signal);
  // The thread may continue for a moment before the kernel stops it.
  while (signal === 'SIGKILL') fs.statSync('.');
}

const { appendFileSync } = fs;
fs.appendFileSync = (path, text) => {
  const signal = signalFor(path);
  appendFileSync(path, signal === 'SIGKILL' ? text.slice(0, text.length / 2) : text);
  if (signal) send(signal);
};

const { open } = fsp;
fsp.open = async (path, ...options) => {
  const file = await open(path, ...options);
  const signal = signalFor(path);
  if (signal && signal !== 'SIGKILL') send(signal);
  if (signal === 'SIGKILL') {
    file.write = (bytes) => {
      fs.writeSync(file.fd, bytes.subarray(0, bytes.length / 2));
      send(signal);
    };
    // Of an empty file there is no write.
    file.sync = () => send(signal);
  }
  return file;
};

const { postMessage } = Worker.prototype;
Worker.prototype.postMessage = function (message, ...options) {
  postMessage.call(this, message, ...options);
  const signal = message.study && signalFor(`study ${message.study.studyId}`);
  if (signal) send(signal);
};

// Worker threads load this too, and would count for themselves.
if (isMainThread) syncBuiltinESMExports();

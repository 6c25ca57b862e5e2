/** Worker thread: paints and writes the studies it is told to, one after the other. */
import { parentPort, workerData } from 'node:worker_threads';
import { asSpinegradError } from './errors.js';
import type { PhantomOptions } from './generate.js';
import { writeStudy } from './writeStudy.js';

const options = workerData as PhantomOptions;
parentPort!.on('message', async (index: number) => {
  try {
    parentPort!.postMessage({ index, rows: await writeStudy(options, index) });
  } catch (error) {
    const { code, message } = asSpinegradError(options.out, error);
    parentPort!.postMessage({ index, code, message });
  }
});

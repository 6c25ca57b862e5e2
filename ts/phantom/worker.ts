/** Worker thread of `generatePhantom`: paints and writes one study per message. */
import { parentPort } from 'node:worker_threads';
import type { WorkerReply } from '../io/workerPool.js';
import { asSpinegradError } from './errors.js';
import type { StudyRows } from './tables.js';
import { type PhantomOptions, writeStudy } from './writeStudy.js';

export interface StudyRequest {
  options: PhantomOptions;
  index: number;
}

type Reply = WorkerReply<StudyRows>;

const port = parentPort!;

port.on('message', async ({ options, index }: StudyRequest) => {
  try {
    port.postMessage({ result: await writeStudy(options, index) } satisfies Reply);
  } catch (error) {
    const { code, message } = asSpinegradError(options.out, error);
    port.postMessage({ code, message } satisfies Reply);
  }
});

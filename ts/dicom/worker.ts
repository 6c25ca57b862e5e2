/** Worker thread of `DicomPool`: reads one file per message and transfers the pixels without a copy. */
import { parentPort } from 'node:worker_threads';
import { SpinegradError } from '../error.js';
import type { WorkerReply } from '../io/workerPool.js';
import { describe } from './dataset.js';
import { readDicom } from './read.js';
import type { DicomImage, ReadOptions } from './types.js';

export interface ReadRequest {
  path: string;
  options: ReadOptions;
}

type Reply = WorkerReply<DicomImage>;

const port = parentPort!;

port.on('message', async ({ path, options }: ReadRequest) => {
  try {
    const result = await readDicom(path, options);
    const buffers = new Set(result.frames.map(({ pixels }) => pixels.buffer as ArrayBuffer));
    port.postMessage({ result } satisfies Reply, [...buffers]);
  } catch (error) {
    const code = error instanceof SpinegradError ? error.code : 'ERR_DICOM_DECODE';
    port.postMessage({ code, message: describe(error) } satisfies Reply);
  }
});

/** The thread side of `DicomPool`: reads one file a message, and moves the pixels back without a copy. */
import { parentPort } from 'node:worker_threads';
import { SpinegradError } from '../error.js';
import { describe } from './dataset.js';
import { readDicom } from './read.js';
import type { DicomImage, ReadOptions } from './types.js';

export interface WorkerRequest {
  path: string;
  options: ReadOptions;
}

export type WorkerReply = { image: DicomImage } | { code: SpinegradError['code']; message: string };

const port = parentPort!;

port.on('message', async ({ path, options }: WorkerRequest) => {
  try {
    const image = await readDicom(path, options);
    const buffers = new Set(image.frames.map(({ pixels }) => pixels.buffer as ArrayBuffer));
    port.postMessage({ image } satisfies WorkerReply, [...buffers]);
  } catch (error) {
    const code = error instanceof SpinegradError ? error.code : 'ERR_DICOM_DECODE';
    port.postMessage({ code, message: describe(error) } satisfies WorkerReply);
  }
});

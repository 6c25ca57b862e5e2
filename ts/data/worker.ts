/** The thread side of `CutPool`: cuts one study a message, and moves the pixels back without a copy. */
import { parentPort } from 'node:worker_threads';
import { readDicom } from '../dicom/read.js';
import { SpinegradError } from '../error.js';
import type { WorkerReply } from '../io/workerPool.js';
import { type CutSpec, type CutStudy, cutStudy } from './cut.js';
import type { RsnaStudy } from './rsna.js';

export interface CutRequest {
  study: RsnaStudy;
  spec: CutSpec;
  /** Files that lost their thread before, and what is said of them. */
  lost: Map<string, Pick<SpinegradError, 'code' | 'message'>>;
}

type Reply = WorkerReply<CutStudy>;

const port = parentPort!;

port.on('message', async ({ study, spec, lost }: CutRequest) => {
  const result = await cutStudy(study, spec, async (path) => {
    const error = lost.get(path);
    if (error) throw new SpinegradError(error.code, error.message);
    port.postMessage({ label: path } satisfies Reply);
    return readDicom(path);
  });
  const crops = [...result.discs.flat(), ...(result.slice ? [result.slice] : [])];
  port.postMessage(
    { result } satisfies Reply,
    crops.map(({ pixels }) => pixels.buffer as ArrayBuffer),
  );
});

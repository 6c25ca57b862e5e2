/** Worker thread of `CutPool`: cuts one study per message and transfers the pixels without a copy. */
import { parentPort } from 'node:worker_threads';
import { SpinegradError } from '../error.js';
import type { WorkerReply } from '../io/workerPool.js';
import { type CutStudy, cutStudy } from './cut.js';
import type { CutSpec } from './cutSpec.js';
import type { Study } from './layouts/layout.js';

export interface CutRequest {
  study: Study;
  spec: CutSpec;
  /** Errors of files that crashed a thread before; they are not read again. */
  lost: Map<string, Pick<SpinegradError, 'code' | 'message'>>;
}

type Reply = WorkerReply<CutStudy>;

const port = parentPort!;

port.on('message', async ({ study, spec, lost }: CutRequest) => {
  const result = await cutStudy(study, spec, (path) => {
    const error = lost.get(path);
    if (error) throw new SpinegradError(error.code, error.message);
    port.postMessage({ label: path } satisfies Reply);
  });
  const crops = [...result.discs.flat(), ...result.slices];
  port.postMessage(
    { result } satisfies Reply,
    crops.map(({ pixels }) => pixels.buffer as ArrayBuffer),
  );
});

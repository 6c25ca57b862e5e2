/** The worker process of spinegrad. It answers requests (job.ts) on standard input, like worker.py. */
import { readFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { createInterface } from 'node:readline';
import { openDevice } from '#spinegrad/engine/openDevice.js';
import type { Job, Request } from './job.js';
import { WORKLOADS } from './spinegrad.js';

const threads = Number(process.argv[2]);
using device = await openDevice('cpu', { threads });
const send = (answer: unknown): void => {
  process.stdout.write(`${JSON.stringify(answer)}\n`);
};
const peakBytes = (): number =>
  1024 * Number(/VmHWM:\s*(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))![1]);

let job: Job | undefined;

async function answer({ command, workload, options, folder, calls }: Request): Promise<unknown> {
  switch (command) {
    case 'open':
      job = await WORKLOADS[workload!]!(device, options!, folder!);
      return { variants: ['spinegrad'] };
    case 'values': {
      const values = await job!.values();
      const textOf = ({ buffer, byteOffset, byteLength }: Float32Array): string =>
        Buffer.from(buffer, byteOffset, byteLength).toString('base64');
      return { values: values.map(textOf) };
    }
    case 'sample': {
      const start = performance.now();
      await job!.run(calls!);
      return { milliseconds: (performance.now() - start) / calls! };
    }
    case 'delay': {
      const histogram = monitorEventLoopDelay({ resolution: 1 });
      histogram.enable();
      await job!.run(calls!);
      histogram.disable();
      return { p99: histogram.percentile(99) / 1e6 };
    }
    case 'peak':
      return { bytes: peakBytes() };
    case 'close':
      job?.dispose();
      return {};
  }
}

send({ versions: `spinegrad, ${device.description}, Node.js ${process.version}` });
for await (const line of createInterface({ input: process.stdin })) {
  send(await answer(JSON.parse(line)).catch((error: Error) => ({ error: error.message })));
}

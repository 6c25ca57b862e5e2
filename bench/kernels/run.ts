/** Goes through the table: computes what its calls cost, or times them. */
import type { Device } from '#spinegrad/engine/device.js';
import { planOf } from './calls.js';
import { OPERATIONS, REAL, type Scale } from './cases.js';
import type { Stopwatch } from './measure.js';
import type { Peer } from './peer.js';
import { DATASHEETS } from './roofline.js';
import { type Row, rooflineTable, type Work, workOf } from './rows.js';

/** What each call of the chosen operations does, on whatever device. */
export function worksOf(device: Device, scale: Scale, names: readonly string[]): Work[] {
  return names.flatMap((name) => {
    const operationCases = OPERATIONS[name]!;
    return operationCases
      .cases(scale)
      .flatMap((one) => planOf(device, name, operationCases, one).timed.map((call) => workOf(one, call)));
  });
}

/** The table of docs/kernels.md. */
export function roofline(device: Device, names: readonly string[]): string {
  const batches = [64, 256].map((batch) => [batch, worksOf(device, { ...REAL, batch }, names)] as const);
  return rooflineTable(batches, DATASHEETS);
}

/** Times the calls of the chosen operations, one case after the other, the peer's turn behind each. */
export async function* timed(
  stopwatch: Stopwatch,
  scale: Scale,
  names: readonly string[],
  peer?: Peer,
): AsyncGenerator<Row> {
  for (const name of names) {
    for (const one of OPERATIONS[name]!.cases(scale)) {
      const timings = await stopwatch.time(planOf(stopwatch.device, name, OPERATIONS[name]!, one));
      const calls = [...timings.keys()].map((call) => call.operation);
      const theirs = peer?.present ? await peer.time(name, one, calls) : undefined;
      for (const [call, timing] of timings) {
        yield { ...workOf(one, call), timing, peer: theirs?.get(call.operation) };
      }
    }
  }
}

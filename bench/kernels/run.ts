/** Computes the cost of the calls of all cases, or times them. */
import type { Device } from '#spinegrad/engine/device.js';
import { recordCase } from './calls.js';
import { OPERATIONS } from './cases.js';
import type { Stopwatch } from './measure.js';
import type { Peer } from './peer.js';
import { REAL, type Scale } from './resnet18.js';
import { DATASHEETS } from './roofline.js';
import { type CallCost, costOf, type Row, rooflineTable } from './table.js';

/** The cost of each call of the named operations. It does not depend on the device. */
export function costsOf(device: Device, scale: Scale, names: readonly string[]): CallCost[] {
  return names.flatMap((name) => {
    const operationCases = OPERATIONS[name]!;
    return operationCases
      .cases(scale)
      .flatMap((benchCase) =>
        recordCase(device, name, operationCases, benchCase).timed.map((call) => costOf(benchCase, call)),
      );
  });
}

/** The table of docs/kernels.md. */
export function roofline(device: Device, names: readonly string[]): string {
  const batches = [64, 256].map((batch) => [batch, costsOf(device, { ...REAL, batch }, names)] as const);
  return rooflineTable(batches, DATASHEETS);
}

/** Times the calls of the named operations, case by case, each followed by the peer. */
export async function* timeCalls(
  stopwatch: Stopwatch,
  scale: Scale,
  names: readonly string[],
  peer?: Peer,
): AsyncGenerator<Row> {
  for (const name of names) {
    for (const benchCase of OPERATIONS[name]!.cases(scale)) {
      const recorded = recordCase(stopwatch.device, name, OPERATIONS[name]!, benchCase);
      const timings = await stopwatch.time(recorded);
      const calls = [...timings.keys()].map((call) => call.operation);
      const peerTimings = peer?.present ? await peer.time(name, benchCase, calls) : undefined;
      for (const [call, timing] of timings) {
        yield { ...costOf(benchCase, call), timing, peer: peerTimings?.get(call.operation) };
      }
    }
  }
}

/** Profiles of `device.stopProfile()`: events, totals per operation, and a Chrome trace. */
import { expectArguments, found } from '../arguments.js';
import { SpinegradError } from '../error.js';
import type { NativeProfile } from './native.js';

/** Times are milliseconds since the start of the first operation, by the clock of the device. */
export interface ProfileEvent {
  name: string;
  start: number;
  end: number;
}

export interface Profile {
  /** In the order in which they ran, without overlap. */
  operations: ProfileEvent[];
  /** Each from the first to the last operation enqueued between one `beginSpan()` and the next. */
  spans: ProfileEvent[];
  /** Number of operations after the limit. The last span is left out if the limit cut it. */
  skipped: number;
}

export interface OperationTime {
  name: string;
  calls: number;
  /** Milliseconds. */
  total: number;
  mean: number;
  /** Fraction of the time of all operations, 0 to 1. */
  fraction: number;
}

/** @internal */
export function profileOf({ names, times, spans, firsts, skipped }: NativeProfile): Profile {
  const operations = names.map((name, i) => ({ name, start: times[2 * i]!, end: times[2 * i + 1]! }));
  const ended = skipped > 0 ? spans.slice(0, -1) : spans;
  return {
    operations,
    spans: ended.flatMap((name, i) => {
      const within = operations.slice(firsts[i], firsts[i + 1]);
      return within.length === 0 ? [] : [{ name, start: within[0]!.start, end: within.at(-1)!.end }];
    }),
    skipped,
  };
}

function expectProfile(name: string, profile: Profile): void {
  if (Array.isArray(profile?.operations) && Array.isArray(profile.spans)) return;
  throw new SpinegradError(
    'ERR_ARGUMENT',
    `${name}(): profile: expected the result of device.stopProfile(), found ${found(profile)}`,
  );
}

/** Totals per operation, the longest first. */
export function byOperation(profile: Profile): OperationTime[] {
  expectArguments('byOperation', arguments.length, 1);
  expectProfile('byOperation', profile);
  const rows = new Map<string, { calls: number; total: number }>();
  for (const { name, start, end } of profile.operations) {
    const { calls, total } = rows.get(name) ?? { calls: 0, total: 0 };
    rows.set(name, { calls: calls + 1, total: total + end - start });
  }
  const sum = [...rows.values()].reduce((partial, { total }) => partial + total, 0);
  return [...rows]
    .map(([name, { calls, total }]) => ({ name, calls, total, mean: total / calls, fraction: total / sum }))
    .sort((a, b) => b.total - a.total);
}

/** An event of the trace event format: `M` names a row, `X` is an interval in microseconds. */
type TraceEvent = { pid: 1; tid: number; name: string } & (
  | { ph: 'M'; args: { name: string } }
  | { ph: 'X'; ts: number; dur: number }
);

/** A trace for Perfetto (ui.perfetto.dev) and chrome://tracing: one row of operations and one of spans. */
export function chromeTrace(profile: Profile, device: string): { traceEvents: TraceEvent[] } {
  expectArguments('chromeTrace', arguments.length, 2);
  expectProfile('chromeTrace', profile);
  const { operations, spans } = profile;
  const row = (tid: number, name: string, events: readonly ProfileEvent[]): TraceEvent[] => [
    { pid: 1, tid, name: 'thread_name', ph: 'M', args: { name } },
    ...events.map(
      ({ name, start, end }): TraceEvent => ({
        ...{ pid: 1, tid, name, ph: 'X' },
        ...{ ts: 1000 * start, dur: 1000 * (end - start) },
      }),
    ),
  ];
  return {
    traceEvents: [
      { pid: 1, tid: 0, name: 'process_name', ph: 'M', args: { name: 'spinegrad' } },
      ...row(1, device, operations),
      ...row(2, 'spans', spans),
    ],
  };
}

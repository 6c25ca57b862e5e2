/** device.startProfile, beginSpan and stopProfile, the table and the trace. Also runs on the simulated CUDA device. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { backward } from '#spinegrad/engine/autograd.js';
import type { Device } from '#spinegrad/engine/device.js';
import { openDevice } from '#spinegrad/engine/openDevice.js';
import { add, mul } from '#spinegrad/engine/ops/elementwise.js';
import { gather } from '#spinegrad/engine/ops/gather.js';
import { mse } from '#spinegrad/engine/ops/mse.js';
import { byOperation, chromeTrace, type Profile } from '#spinegrad/engine/profile.js';
import { tidy } from '#spinegrad/engine/tidy.js';
import { DEVICE } from '../device.js';

const code = (value: string) => expect.objectContaining({ name: 'SpinegradError', code: value });

let device: Device;
beforeAll(async () => {
  device = await openDevice(DEVICE);
});
afterAll(() => device.close());

const names = ({ operations }: Profile) => operations.map(({ name }) => name);

async function profileOf(work: () => unknown, options?: { limit: number }): Promise<Profile> {
  device.startProfile(options);
  await work();
  return device.stopProfile();
}

/** Runs `count` steps, one span each: an upload, a product and a loss, their gradients, a download. */
async function steps(count: number): Promise<void> {
  for (let i = 1; i <= count; i++) {
    device.beginSpan(`step ${i}`);
    await tidy(() => {
      const x = device.tensor(new Float32Array(1000).fill(i));
      x.requiresGrad = true;
      const loss = mse(mul(x, 2), device.full([1000], 1));
      backward(loss);
      return loss;
    }).item();
  }
}

describe('a profile', () => {
  it('contains all operations in order, without overlap', async () => {
    const profile = await profileOf(() => steps(2));
    expect(names(profile).slice(0, 4)).toEqual(['upload', 'mul.scale', 'full.forward', 'mse.forward']);
    expect(names(profile).at(-1)).toBe('download');
    expect(profile.operations[0]!.start).toBe(0);
    let previousEnd = 0;
    for (const { start, end } of profile.operations) {
      expect(start).toBeGreaterThanOrEqual(previousEnd);
      expect(end).toBeGreaterThan(start);
      previousEnd = end;
    }
    expect(profile.skipped).toBe(0);
  });

  it('has one span per step, from its first to its last operation, and no empty spans', async () => {
    const { operations, spans } = await profileOf(async () => {
      await steps(2);
      device.beginSpan('nothing');
      device.beginSpan('a read');
      await device.synchronize();
    });
    expect(spans.map(({ name }) => name)).toEqual(['step 1', 'step 2', 'a read']);
    const perStep = (operations.length - 2) / 2;
    expect(spans).toEqual([
      { name: 'step 1', start: 0, end: operations[perStep - 1]!.end },
      { name: 'step 2', start: operations[perStep]!.start, end: operations[2 * perStep - 1]!.end },
      { name: 'a read', start: operations[2 * perStep]!.start, end: operations.at(-1)!.end },
    ]);
  });

  it('keeps the first `limit` operations, counts the others, and drops the incomplete span', async () => {
    const full = await profileOf(() => steps(3));
    const limit = full.operations.length / 3 + 2;
    const cut = await profileOf(() => steps(3), { limit });
    expect(names(cut)).toEqual(names(full).slice(0, limit));
    expect(cut.skipped).toBe(full.operations.length - limit);
    expect(cut.spans.map(({ name }) => name)).toEqual(['step 1']);
  });

  it('contains only what ran between start and stop', async () => {
    using x = device.full([8], 1);
    const { operations } = await profileOf(() => add(x, x).dispose());
    expect(operations.map(({ name }) => name)).toEqual(['add.forward']);
    device.beginSpan('outside');
    expect(await profileOf(() => undefined)).toEqual({ operations: [], spans: [], skipped: 0 });
  });

  const wrong = () => void gather(device.tensor([1]), device.tensor(Int32Array.of(5)));

  it.runIf(DEVICE === 'cpu')('rejects stopProfile with an error of the queue', async () => {
    await expect(profileOf(wrong)).rejects.toEqual(code('ERR_INDEX'));
    expect(await profileOf(() => undefined)).toEqual({ operations: [], spans: [], skipped: 0 });
  });

  it('continues after an error was read', async () => {
    const { operations } = await profileOf(async () => {
      wrong();
      await expect(device.synchronize()).rejects.toEqual(code('ERR_INDEX'));
      await device.synchronize();
    });
    expect(operations.slice(-2).map(({ name }) => name)).toEqual(['full.forward', 'download']);
    for (const { start, end } of operations) expect(end).toBeGreaterThan(start);
  });

  it('throws ERR_PROFILE for a second start or a missing start, ERR_ARGUMENT for a bad limit', async () => {
    await expect(device.stopProfile()).rejects.toEqual(code('ERR_PROFILE'));
    device.startProfile();
    expect(() => device.startProfile()).toThrow(code('ERR_PROFILE'));
    await device.stopProfile();
    for (const limit of [0, 1.5, Number.NaN, 1e9]) {
      expect(() => device.startProfile({ limit })).toThrow(code('ERR_ARGUMENT'));
    }
  });

  it('ends when the device is closed', async () => {
    const other = await openDevice(DEVICE);
    other.startProfile();
    other.zeros([8]);
    const stopped = other.stopProfile();
    other.startProfile();
    other.close();
    await Promise.allSettled([stopped]);
    expect(() => other.beginSpan('late')).toThrow(code('ERR_DEVICE_CLOSED'));
    await expect(other.stopProfile()).rejects.toEqual(code('ERR_DEVICE_CLOSED'));
  });

  it.runIf(DEVICE === 'cuda')('rejects device.time in a captured step, and the capture', async () => {
    let time: Promise<number> | undefined;
    const captured = device.capture(() => {
      time = device.time(() => device.zeros([8]).dispose());
      time.catch(() => undefined);
    });
    await expect(captured).rejects.toEqual(code('ERR_CAPTURE'));
    await expect(time).rejects.toEqual(code('ERR_CAPTURE'));
  });

  it.runIf(DEVICE === 'cuda')('contains one operation per replay, and none from the capture', async () => {
    using x = device.full([8], 3);
    const profile = await profileOf(async () => {
      using step = await device.capture(() => mul(x, 2));
      step.replay();
      step.replay();
      expect(await step.result.data()).toEqual(new Float32Array(8).fill(6));
      step.result.dispose();
    });
    expect(names(profile)).toEqual(['replay', 'replay', 'download']);
  });
});

describe('the table and the trace', () => {
  let profile: Profile;
  beforeAll(async () => {
    profile = await profileOf(() => steps(3));
  });

  it('list the total time per operation, in descending order', () => {
    const rows = byOperation(profile);
    const sum = (values: number[]) => values.reduce((a, b) => a + b, 0);
    expect(rows.map(({ name }) => name).sort()).toEqual([...new Set(names(profile))].sort());
    expect(rows.find(({ name }) => name === 'mse.forward')).toMatchObject({ calls: 3 });
    expect(rows.map(({ total }) => total)).toEqual(rows.map(({ total }) => total).sort((a, b) => b - a));
    for (const { name, calls, total, mean } of rows) {
      const matching = profile.operations.filter((operation) => operation.name === name);
      expect(calls).toBe(matching.length);
      expect(total).toBeCloseTo(sum(matching.map(({ start, end }) => end - start)), 9);
      expect(mean).toBeCloseTo(total / calls, 9);
    }
    expect(sum(rows.map(({ calls }) => calls))).toBe(profile.operations.length);
    expect(sum(rows.map(({ fraction }) => fraction))).toBeCloseTo(1, 9);
  });

  it('are JSON in the trace event format: named rows, complete events in microseconds', () => {
    const { traceEvents } = JSON.parse(JSON.stringify(chromeTrace(profile, device.name)));
    const named = traceEvents.filter(({ ph }: { ph: string }) => ph === 'M');
    expect(
      named.map(({ name, args }: { name: string; args: { name: string } }) => [name, args.name]),
    ).toEqual([
      ['process_name', 'spinegrad'],
      ['thread_name', device.name],
      ['thread_name', 'spans'],
    ]);
    for (const [tid, events] of [
      [1, profile.operations],
      [2, profile.spans],
    ] as const) {
      const row = traceEvents.filter(
        (event: { ph: string; tid: number }) => event.ph === 'X' && event.tid === tid,
      );
      expect(row).toEqual(
        events.map(({ name, start, end }) => ({
          ...{ pid: 1, tid, name, ph: 'X' },
          ...{ ts: expect.closeTo(1000 * start, 6), dur: expect.closeTo(1000 * (end - start), 6) },
        })),
      );
    }
  });
});

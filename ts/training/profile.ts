/** `--profile`: a timeline of device operations in the run's folder, and a table on the terminal. */
import { join } from 'node:path';
import type { Device } from '../engine/device.js';
import { byOperation, chromeTrace, type Profile } from '../engine/profile.js';
import { writeFileAtomic } from '../io/atomic.js';
import { columns } from '../report/console.js';
import { count, percent } from '../report/format.js';
import type { Progress } from './progress.js';

/** Runs `work` and writes its profile, even if `work` is stopped or fails; its error is thrown again. */
export async function profiled<T>(
  device: Device,
  dir: string,
  progress: Progress,
  work: () => Promise<T>,
): Promise<T> {
  device.startProfile();
  try {
    return await work();
  } finally {
    const profile = await device.stopProfile().catch(() => undefined);
    if (profile) {
      const path = join(dir, 'profile.json');
      await writeFileAtomic(path, JSON.stringify(chromeTrace(profile, device.name)));
      progress.line(`${formatProfile(profile)}\nprofile: ${path} (open it at ui.perfetto.dev)`);
    }
  }
}

export function formatProfile(profile: Profile): string {
  const { operations, skipped } = profile;
  if (operations.length === 0) return 'the device ran no operation';
  const rows = byOperation(profile);
  const total = rows.reduce((sum, row) => sum + row.total, 0);
  const span = operations.at(-1)!.end - operations[0]!.start;
  const line = (name: string, calls: number, ms: number, fraction: number) => [
    name,
    `${calls}`,
    ms.toFixed(1),
    (ms / calls).toFixed(3),
    percent(fraction),
  ];
  return [
    ...columns(
      [
        ['operation', 'calls', 'total ms', 'mean ms', 'share'],
        ...rows.map(({ name, calls, total, fraction }) => line(name, calls, total, fraction)),
        line('all', operations.length, total, 1),
      ],
      1,
    ),
    `busy ${percent(total / span)} of ${(span / 1000).toFixed(1)} s` +
      (skipped > 0
        ? `; ${count(skipped, 'operation')} after the first ${operations.length} not recorded`
        : ''),
  ].join('\n');
}

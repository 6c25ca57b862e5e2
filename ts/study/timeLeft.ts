/** The time that a study still needs, from the units that are complete. */

import type { UnitStatus } from './unitState.js';
import type { CellUnit, Unit } from './units.js';

/**
 * The estimated time in seconds until all units are complete. A unit takes as long as the mean of those of the like kind: cells of
 * the same arm and label fraction, else of the same arm, else all cells. The running workers share the rest.
 *
 * @returns null before the first cell is complete
 */
export function secondsLeft(units: readonly UnitStatus[], now = Date.now()): number | null {
  const known = new Map<string, number[]>();
  for (const { unit, state } of units) {
    if (state.state !== 'done') continue;
    for (const kind of kindsOf(unit)) known.set(kind, [...(known.get(kind) ?? []), state.result.seconds]);
  }
  if (!known.has('cell')) return null;
  let seconds = 0;
  let workers = 0;
  for (const { unit, state } of units) {
    if (state.state !== 'open' && state.state !== 'running') continue;
    const durations =
      kindsOf(unit)
        .map((kind) => known.get(kind))
        .find((found) => found !== undefined) ?? known.get('cell')!;
    const expected = durations.reduce((a, b) => a + b) / durations.length;
    if (state.state === 'running') {
      workers++;
      seconds += Math.max(0, expected - (now - state.holder.since) / 1000);
    } else seconds += expected;
  }
  return seconds / Math.max(1, workers);
}

/** From the most specific kind to the most general one. */
function kindsOf(unit: Unit): string[] {
  if (unit.kind !== 'cell') return [unit.kind];
  const { arm, labels } = (unit as CellUnit).cell;
  return [`cell ${arm} ${labels}`, `cell ${arm}`, 'cell'];
}

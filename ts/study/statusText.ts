/** The table of `spinegrad study status`. */
import { columns } from '../report/console.js';
import { count as countOf, duration } from '../report/format.js';
import type { StudyStatus } from './status.js';
import type { UnitState, UnitStatus } from './unitState.js';

const count = (units: readonly UnitStatus[], ...states: UnitState['state'][]): number =>
  units.filter(({ state }) => states.includes(state.state)).length;

/** A table of the units by kind, the running ones, the failed ones, and the time that is left. */
export function formatStatus({ bank, shared, cells, planned, secondsLeft }: StudyStatus): string[] {
  const kind = (name: string) => shared.filter(({ unit }) => unit.kind === name);
  const groups: [string, readonly UnitStatus[], number][] = [
    ['bank', [bank], 1],
    ['localizers', kind('localizer'), kind('localizer').length],
    ['pretrainings', kind('pretraining'), kind('pretraining').length],
    ['cells', cells, planned],
  ];
  const rows = groups.map(([name, units, total]) =>
    [name, total, count(units, 'done'), count(units, 'running'), count(units, 'failed', 'blocked')].map(
      String,
    ),
  );
  const all = [bank, ...shared, ...cells];
  const workers = Math.max(1, count(all, 'running'));
  return [
    ...columns([['units', 'all', 'done', 'running', 'failed'], ...rows], 1),
    ...runningOf(all),
    ...failuresOf(all),
    ...(secondsLeft === null || count(cells, 'open', 'running') === 0
      ? []
      : [`about ${duration(secondsLeft)} left with ${countOf(workers, 'worker')}`]),
  ];
}

function runningOf(units: readonly UnitStatus[], now = Date.now()): string[] {
  return units.flatMap(({ unit, state }) => {
    if (state.state !== 'running') return [];
    const { pid, host, since } = state.holder;
    return [`running: ${unit.id} by process ${pid} on ${host} for ${duration((now - since) / 1000)}`];
  });
}

/** The failed units with their reasons, and the cells that wait for them. */
export function failuresOf(units: readonly UnitStatus[]): string[] {
  return units.flatMap(({ unit, state }) => {
    if (state.state === 'failed')
      return [`failed: ${unit.id}: ${state.failure.code}: ${state.failure.message}`];
    if (state.state === 'blocked') return [`failed: ${unit.id}: needs ${state.failure.id}, which failed`];
    return [];
  });
}

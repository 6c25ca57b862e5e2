/** How far a unit is. */
import type { Claims, Holder } from './claims.js';
import { type Failure, type Result, readFailure, readResult } from './results.js';
import type { Unit } from './units.js';

export type UnitState =
  | { state: 'done'; result: Result }
  | { state: 'running'; holder: Holder }
  | { state: 'failed'; failure: Failure }
  /** A cell that needs a failed unit. */
  | { state: 'blocked'; failure: Failure }
  | { state: 'open' };

export interface UnitStatus {
  unit: Unit;
  state: UnitState;
}

/** @param needs the units that it needs */
export function stateOf(unit: Unit, needs: readonly UnitStatus[], claims: Claims): UnitState {
  const result = readResult(unit);
  if (result !== undefined) return { state: 'done', result };
  const holder = claims.holder(unit.id);
  if (holder !== null) return { state: 'running', holder };
  const failure = readFailure(unit);
  if (failure !== undefined) return { state: 'failed', failure };
  for (const { state } of needs)
    if (state.state === 'failed') return { state: 'blocked', failure: state.failure };
  return { state: 'open' };
}

/** What is done, running and failed in a study, and the time that is left. */
import { Claims } from './claims.js';
import { readResult } from './results.js';
import { claimsFolder, type Study } from './study.js';
import { secondsLeft } from './timeLeft.js';
import { stateOf, type UnitStatus } from './unitState.js';
import { bankUnit, cellUnits, needsOf, type Unit } from './units.js';

export interface StudyStatus {
  bank: UnitStatus;
  /** Localizers and pretrainings; empty before the bank is complete. */
  shared: UnitStatus[];
  /** Empty before the bank is complete. */
  cells: UnitStatus[];
  /** Cells of the plan. */
  planned: number;
  /** Estimated from complete units and the number of running workers; null before the first cell is complete. */
  secondsLeft: number | null;
}

/** Reads the state of every unit; works also while the study runs. */
export function studyStatus(study: Study): StudyStatus {
  const claims = new Claims(claimsFolder(study.dir));
  const statusOf = (unit: Unit, needs: readonly UnitStatus[] = []): UnitStatus => ({
    unit,
    state: stateOf(unit, needs, claims),
  });
  const unit = bankUnit(study);
  const bank = statusOf(unit);
  const fingerprint = readResult(unit)?.fingerprint ?? null;
  const units = fingerprint === null ? [] : cellUnits(study, fingerprint);
  const shared = new Map(units.flatMap(needsOf).map((need) => [need, statusOf(need)]));
  const cells = units.map((cell) =>
    statusOf(
      cell,
      needsOf(cell).map((need) => shared.get(need)!),
    ),
  );
  const status = { bank, shared: [...shared.values()], cells, planned: study.cells.length };
  return { ...status, secondsLeft: secondsLeft([...status.shared, ...cells]) };
}

/**
 * A worker: takes units of a study by claims until its cells are done. Any number of workers share a folder, in one process
 * each. A unit that fails is recorded, and the worker continues with the others.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { readBank } from '../data/bank.js';
import type { Bank } from '../data/types.js';
import type { Device } from '../engine/device.js';
import { type DeviceKind, openDevice } from '../engine/openDevice.js';
import { SpinegradError } from '../error.js';
import { type Progress, silent } from '../training/progress.js';
import { Claims } from './claims.js';
import { isDone, readFailure, writeFailure, writeResult } from './results.js';
import { cellsOfShard, type Shard } from './shards.js';
import { claimsFolder, type Study } from './study.js';
import { removeCheckpoints } from './unitFolder.js';
import { bankUnit, type CellUnit, cellUnits, needsOf, type Unit } from './units.js';
import { type Work, workBank, workCell, workLocalizer, workPretraining } from './work.js';

export interface WorkerOptions {
  /** Default `auto`. */
  device?: DeviceKind | undefined;
  /** Default: all cells. */
  shard?: Shard | undefined;
  /** Default: nothing is shown. */
  progress?: Progress | undefined;
  /** Stops the work after the current step. */
  signal?: AbortSignal | undefined;
  /** Called after a unit has ended. */
  onUnit?: ((unit: Unit, ended: 'done' | 'failed') => void) | undefined;
}

/** Time between looks at units that other workers hold. */
const POLL_MS = 1000;

/**
 * Works on a study until every cell of the shard is done, or has failed since the worker began: units that failed earlier are
 * tried again.
 *
 * @throws SpinegradError of the bank, which every cell needs; ERR_DEVICE_*; the signal's reason when it is aborted
 */
export async function workOnStudy(study: Study, options: WorkerOptions = {}): Promise<void> {
  const { device = 'auto', shard = { index: 1, count: 1 }, progress = silent, onUnit } = options;
  const { signal = new AbortController().signal } = options;
  const worker = new Worker(study, { device, shard, progress, signal, onUnit });
  await worker.run();
}

class Worker {
  readonly #claims: Claims;
  readonly #done = new Set<string>();
  /** Failures from before the worker began. */
  readonly #retried = new Set<string>();
  #bank: Bank | undefined;

  constructor(
    private readonly study: Study,
    private readonly options: Required<Omit<WorkerOptions, 'onUnit'>> & Pick<WorkerOptions, 'onUnit'>,
  ) {
    this.#claims = new Claims(claimsFolder(study.dir));
  }

  async run(): Promise<void> {
    const { study, options } = this;
    const { signal, shard } = options;
    const unit = bankUnit(study);
    this.#retry([unit]);
    const bank = await this.#prepare(unit);
    this.#bank = bank;
    const cells = cellsOfShard(cellUnits(study, bank.manifest.fingerprint), bank.manifest, shard);
    this.#retry(cells.flatMap((cell) => [cell, ...needsOf(cell)]));
    if (cells.every((cell) => this.#isDone(cell))) return;
    const { threads, precision } = unit.config;
    using device = await openDevice(options.device, { threads, precision });
    for (;;) {
      signal.throwIfAborted();
      const next = this.#next(cells);
      if (next === 'none') return;
      if (next === 'wait') await this.#wait();
      else await this.#work(next.unit, next.claim, () => this.#train(next.unit, device), device.description);
    }
  }

  #retry(units: readonly Unit[]): void {
    for (const unit of units) if (readFailure(unit)) this.#retried.add(unit.id);
  }

  /** Until another worker may have ended its unit. */
  async #wait(): Promise<void> {
    const { signal } = this.options;
    await sleep(POLL_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
  }

  /** The bank, cut by this worker or by another one. */
  async #prepare(unit: Unit): Promise<Bank> {
    const { signal, progress } = this.options;
    while (!this.#isDone(unit)) {
      const claim = this.#take(unit);
      if (claim === null) {
        await this.#wait();
      } else {
        const context = { data: this.study.plan.data, progress, signal };
        await this.#work(unit, claim, () => workBank(unit, context), null);
      }
      if (!this.#hasFailed(unit)) continue;
      const { code, message } = readFailure(unit)!;
      throw new SpinegradError(code as SpinegradError['code'], message);
    }
    return await readBank(unit.dir);
  }

  /** The first unit that can be done now: a cell, or what it needs. */
  #next(cells: readonly CellUnit[]): { unit: Unit; claim: Disposable } | 'wait' | 'none' {
    let waiting = false;
    for (const cell of cells) {
      if (this.#isDone(cell) || this.#hasFailed(cell)) continue;
      const open = needsOf(cell).filter((unit) => !this.#isDone(unit));
      if (open.some((unit) => this.#hasFailed(unit))) continue;
      waiting = true;
      for (const unit of open.length > 0 ? open : [cell]) {
        const claim = this.#take(unit);
        if (claim !== null) return { unit, claim };
      }
    }
    return waiting ? 'wait' : 'none';
  }

  /** Claims a unit that is still open. */
  #take(unit: Unit): Disposable | null {
    const claim = this.#claims.take(unit.id);
    if (claim === null) return null;
    // Another worker may have ended it since it was looked at.
    if (!this.#isDone(unit) && !this.#hasFailed(unit)) return claim;
    claim[Symbol.dispose]();
    return null;
  }

  #isDone(unit: Unit): boolean {
    if (this.#done.has(unit.id)) return true;
    if (!isDone(unit)) return false;
    this.#done.add(unit.id);
    return true;
  }

  #hasFailed(unit: Unit): boolean {
    return !this.#retried.has(unit.id) && readFailure(unit) !== undefined;
  }

  async #work(
    unit: Unit,
    claim: Disposable,
    train: () => Promise<Work>,
    device: string | null,
  ): Promise<void> {
    using _ = claim;
    const { progress, signal, onUnit } = this.options;
    const start = performance.now();
    try {
      const { trained, ...result } = await train();
      const seconds = Math.max(trained, (performance.now() - start) / 1000);
      await writeResult(unit, { seconds, device, ...result });
      await removeCheckpoints(unit);
      onUnit?.(unit, 'done');
    } catch (error) {
      if (signal.aborted) throw error;
      this.#retried.delete(unit.id);
      const { code, message } = await writeFailure(unit, error);
      progress.line(`${unit.id} failed: ${code}: ${message}`);
      onUnit?.(unit, 'failed');
    }
  }

  #train(unit: Unit, device: Device): Promise<Work> {
    const { progress, signal } = this.options;
    const context = { data: this.study.plan.data, device, progress, signal };
    const bank = this.#bank!;
    if (unit.kind === 'localizer') return workLocalizer(unit, bank, context);
    if (unit.kind === 'pretraining') return workPretraining(unit, bank, context);
    return workCell(unit as CellUnit, bank, context);
  }
}

/**
 * The units of work of a study: the bank, a localizer per fold, a pretraining per fold and repeat, and the cells. A unit is
 * complete when its folder has result.json. Shared units are addressed by content: their folder is named by the SHA-256 of
 * the data and settings that make them.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { Config } from '../training/config.js';
import { labelsOf } from '../training/runFolder.js';
import { type Cell, cellConfig, configAt } from './cells.js';
import { armConfig, baseConfig, type Plan } from './plan.js';
import type { Study } from './study.js';
import { studyArm } from './studyArms.js';

export type UnitKind = 'bank' | 'localizer' | 'pretraining' | 'cell';

export interface Unit {
  /** Readable and unique in the study, such as `localizer-fold0`. */
  id: string;
  kind: UnitKind;
  /** Absolute. */
  dir: string;
  config: Config;
}

export interface CellUnit extends Unit {
  kind: 'cell';
  cell: Cell;
  localizer: Unit;
  /** Null if the arm does not start from a pretrained encoder. */
  pretraining: Unit | null;
  /** Whether the embeddings of its test discs are kept. */
  keepsEmbeddings: boolean;
}

export const bankUnit = ({ dir, plan }: Study): Unit => ({
  id: 'bank',
  kind: 'bank',
  dir: join(dir, 'bank'),
  config: baseConfig(plan),
});

/** The units on which a cell depends. */
export const needsOf = ({ localizer, pretraining }: CellUnit): Unit[] =>
  pretraining === null ? [localizer] : [localizer, pretraining];

/**
 * The units of all cells, in the order of work; cells that need the same artefact have the same object.
 *
 * @param fingerprint of the bank
 */
export function cellUnits({ dir, plan, cells }: Study, fingerprint: string): CellUnit[] {
  const shared = new Map<string, Unit>();
  const once = (unit: Unit): Unit => {
    if (!shared.has(unit.dir)) shared.set(unit.dir, unit);
    return shared.get(unit.dir)!;
  };
  const artefact = (id: string, kind: 'localizer' | 'pretraining', config: Config): Unit => {
    const hash = addressOf(kind, config, fingerprint);
    return once({ id, kind, dir: join(dir, 'artefacts', `${kind}-${hash.slice(0, 12)}`), config });
  };
  const base = baseConfig(plan);
  return cells.map((cell) => {
    const { id, fold, arm } = cell;
    const { encoder } = studyArm(plan, arm).arm;
    return {
      id,
      kind: 'cell',
      dir: cellFolder(dir, id),
      config: cellConfig(plan, base, cell),
      cell,
      localizer: artefact(
        `localizer-fold${fold}`,
        'localizer',
        configAt(base, { fold, repeat: 0, labels: 1 }),
      ),
      pretraining: encoder === 'pretrained' ? pretrainingOf(plan, base, cell, artefact) : null,
      keepsEmbeddings: keepsEmbeddings(plan, cell),
    };
  });
}

/** The first repeat at the largest label fraction: a map needs one network per arm, and all cells would fill a disk. */
export const keepsEmbeddings = (
  { labels }: Pick<Plan, 'labels'>,
  cell: Pick<Cell, 'repeat' | 'labels'>,
): boolean => cell.repeat === 0 && cell.labels === Math.max(...labels);

export const cellFolder = (dir: string, id: string): string => join(dir, 'cells', id);

/** A pretraining serves all label fractions, unless its positives are grades. */
function pretrainingOf(
  plan: Pick<Plan, 'variants'>,
  base: Config,
  { fold, repeat, labels, arm }: Cell,
  artefact: (id: string, kind: 'pretraining', config: Config) => Unit,
): Unit {
  const configOf = (fraction: number) =>
    armConfig(plan, configAt(base, { fold, repeat, labels: fraction }), arm);
  const name = Object.hasOwn(plan.variants, arm) ? `-${arm}` : '';
  const id = `pretraining-fold${fold}-repeat${repeat}${name}`;
  const config = configOf(1);
  if (!usesGrades(config)) return artefact(id, 'pretraining', config);
  return artefact(`${id}-labels${labels}`, 'pretraining', configOf(labels));
}

/** Whether pretraining reads the grades of the training patients. */
export const usesGrades = ({ pretraining }: Pick<Config, 'pretraining'>): boolean =>
  [pretraining.positives].flat().includes('grade');

/** SHA-256 of what makes an artefact: all settings except those that it certainly does not read, and the bank. */
function addressOf(kind: 'localizer' | 'pretraining', config: Config, fingerprint: string): string {
  const { arms: _, preset: __, finetuning: ___, evaluation: ____, ...read } = config;
  const { pretraining, augmentation, fusion, localization, ...both } = read;
  const own = kind === 'localizer' ? { localization } : { pretraining, augmentation, fusion };
  const made = { kind, bank: fingerprint, labels: labelsOf(config), ...both, ...own };
  return createHash('sha256').update(JSON.stringify(made)).digest('hex');
}

/** The embeddings of the test discs of one cell per arm, with their grades. */
import type { BankManifest } from '../data/types.js';
import { SpinegradError } from '../error.js';
import type { Embeddings } from '../evaluation/embeddings.js';
import type { Cell } from './cells.js';
import { readEmbeddings } from './embeddingsFile.js';
import { cellFolder } from './units.js';

/** The embeddings of one cell of an arm: those of other cells are in another space. */
export interface ArmEmbeddings {
  arm: string;
  fold: number;
  repeat: number;
  /** One per row: the discs with a grade of the first task. */
  discs: { study: string; grade: number }[];
  rows: Embeddings;
}

/**
 * Reads the first cell of each arm that kept its embeddings.
 *
 * @param dir folder of the study
 * @param complete cells in the order of the plan
 * @throws SpinegradError of `readEmbeddings`; ERR_STUDY_FILE if the rows are not the discs of the bank
 */
export async function readArmEmbeddings(
  dir: string,
  complete: readonly Cell[],
  manifest: BankManifest,
): Promise<ArmEmbeddings[]> {
  const results: ArmEmbeddings[] = [];
  for (const cell of complete) {
    if (results.some(({ arm }) => arm === cell.arm)) continue;
    const embeddings = await cellEmbeddings(cellFolder(dir, cell.id), cell, manifest);
    if (embeddings !== undefined) results.push(embeddings);
  }
  return results;
}

async function cellEmbeddings(
  folder: string,
  { arm, fold, repeat }: Cell,
  manifest: BankManifest,
): Promise<ArmEmbeddings | undefined> {
  const stored = await readEmbeddings(folder);
  if (stored === undefined) return undefined;
  // Rows are in the order of the bank. Study, level and side alone do not identify a disc: two tasks can have a site there.
  const graded = gradedDiscs(manifest, new Set(stored.discs.map(({ study }) => study)));
  const isSame = stored.discs.every(({ study, level, side }, row) => {
    const disc = graded[row];
    return disc?.studyId === study && disc.level === level && disc.side === side;
  });
  if (!isSame || stored.discs.length !== graded.length) {
    throw new SpinegradError(
      'ERR_STUDY_FILE',
      `${folder}: found embeddings of other discs than those of the study's bank; delete embeddings.safetensors`,
    );
  }
  const { features, values } = stored;
  const rows = graded.flatMap(({ grades: [grade] }, row) => (grade == null ? [] : [{ row, grade }]));
  const chosen = new Float32Array(rows.length * features);
  rows.forEach(({ row }, at) => {
    chosen.set(values.subarray(row * features, (row + 1) * features), at * features);
  });
  return {
    ...{ arm, fold, repeat },
    discs: rows.map(({ row, grade }) => ({ study: graded[row]!.studyId, grade })),
    rows: { values: chosen, length: features },
  };
}

/** The discs of some patients with a grade of any task, in the order of the bank. */
function gradedDiscs({ rois }: Pick<BankManifest, 'rois'>, studies: ReadonlySet<string>) {
  const discs = new Map(rois.map((roi) => [roi.disc, roi]));
  return [...discs.values()].filter(
    ({ studyId, grades }) => studies.has(studyId) && grades.some((grade) => grade !== null),
  );
}

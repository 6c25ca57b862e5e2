/** The embeddings of a study in numbers and as maps. */
import type { GradeScale } from '../tasks/task.js';
import type { ArmEmbeddings } from './armEmbeddings.js';
import type { PatientGroups } from './evaluateGroups.js';
import { neighbourAgreement } from './neighbours.js';
import type { StudySummary } from './types.js';
import { umapLayout } from './umapLayout.js';

/** The map of one arm; rows as in its embeddings. */
export interface EmbeddingMap extends Pick<ArmEmbeddings, 'arm' | 'fold' | 'discs'> {
  places: [x: number, y: number][];
}

/** One map per arm with enough discs. */
export const embeddingMaps = (embeddings: readonly ArmEmbeddings[], seed: number): EmbeddingMap[] =>
  embeddings.flatMap(({ arm, fold, discs, rows }) => {
    const places = umapLayout(rows, seed);
    return places === null ? [] : [{ arm, fold, discs, places }];
  });

/** Whether near embeddings have the same grade, and the same scanner. */
export const summariseEmbeddings = (
  embeddings: readonly ArmEmbeddings[],
  groups: ReadonlyMap<string, PatientGroups>,
): StudySummary['embeddings'] =>
  embeddings.map(({ arm, fold, repeat, discs, rows }) => {
    const patients = discs.map(({ study }) => study);
    const scanners = patients.map((study) => groups.get(study)?.scanner ?? null);
    return {
      ...{ arm, fold, repeat, discs: discs.length },
      grades: neighbourAgreement(
        rows,
        discs.map(({ grade }) => grade),
        patients,
      ),
      scanners: new Set(scanners).size > 1 ? neighbourAgreement(rows, scanners, patients) : null,
    };
  });

/** Scanners with a colour of their own; the others share the last one. */
const MAX_SCANNERS = 6;

/** The most frequent scanners as a scale; null if fewer than two are known. */
export function scannerScale(
  maps: readonly EmbeddingMap[],
  groups: ReadonlyMap<string, PatientGroups>,
): { scale: GradeScale; indexOf(study: string): number | null } | null {
  const counts = new Map<string, number>();
  for (const { study } of maps.flatMap(({ discs }) => discs)) {
    const scanner = groups.get(study)?.scanner;
    if (scanner) counts.set(scanner, (counts.get(scanner) ?? 0) + 1);
  }
  if (counts.size < 2) return null;
  const ranked = [...counts].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1)).map(([name]) => name);
  const names = ranked.length > MAX_SCANNERS ? [...ranked.slice(0, MAX_SCANNERS - 1), 'others'] : ranked;
  return {
    scale: { ordered: false, grades: names.map((name) => ({ name, labels: [name], weight: 1 })) },
    indexOf(study) {
      const scanner = groups.get(study)?.scanner;
      if (!scanner) return null;
      const index = names.indexOf(scanner);
      return index < 0 ? names.length - 1 : index;
    },
  };
}

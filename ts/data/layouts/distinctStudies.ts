/** Finds studies that are one folder or file under several names. */
import { realpath } from 'node:fs/promises';
import { join } from 'node:path';
import type { Skipped } from '../../error.js';
import type { Study } from './layout.js';

/**
 * The studies whose paths are not, by symbolic links, those of an earlier study. The others are reported: one patient under
 * two names could be in train and test.
 *
 * @param dir the data folder
 * @param pathsOf paths that belong to one study, relative to the data folder
 */
export async function distinctStudies(
  dir: string,
  studies: readonly Study[],
  pathsOf: (study: Study) => readonly string[],
  skipped: Skipped[],
): Promise<Study[]> {
  const studyOf = new Map<string, string>();
  const distinct: Study[] = [];
  for (const study of studies) {
    const { studyId } = study;
    const paths = pathsOf(study);
    // A link to nothing is reported when the study is cut.
    const places = await Promise.all(paths.map((path) => realpath(join(dir, path)).catch(() => path)));
    const copied = places.findIndex((place) => studyOf.has(place));
    if (copied < 0) {
      for (const place of places) studyOf.set(place, studyId);
      distinct.push(study);
      continue;
    }
    const message = `found a link to images of study ${studyOf.get(places[copied]!)}, expected one study per folder; study ${studyId} skipped`;
    skipped.push({ path: paths[copied]!, code: 'ERR_STUDY_DUPLICATE', message });
  }
  return distinct;
}

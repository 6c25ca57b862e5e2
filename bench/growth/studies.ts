/** Folders of many synthetic studies in the RSNA layout. Most studies are copies with other UIDs. */
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { readHeader } from '#spinegrad/dicom/read.js';
import { generatePhantom } from '#spinegrad/phantom/generate.js';

const SLICES = 3;
const TABLES = ['train.csv', 'train_label_coordinates.csv', 'train_series_descriptions.csv'];

/**
 * Creates one folder per size inside `folder`. `generated` studies are generated; the others are copies of them with
 * Study Instance UIDs (0020,000D) of their own.
 *
 * @returns the folders by number of studies
 */
export async function studyFolders(
  folder: string,
  sizes: readonly number[],
  generated = 50,
): Promise<Map<number, string>> {
  if (sizes.length === 0) return new Map();
  const phantom = join(folder, 'phantom');
  await generatePhantom({
    out: phantom,
    studies: generated,
    seed: 1,
    prevalence: 'enriched',
    slices: SLICES,
  });
  const lines = TABLES.map((name) => readFileSync(join(phantom, name), 'utf8').trim().split('\n'));
  const ids = lines[0]!.slice(1).map((line) => line.split(',')[0]!);
  const folderOf = async (id: string, copy: number): Promise<string> => {
    const original = resolve(phantom, 'train_images', id);
    if (copy === 0) return original;
    const target = resolve(folder, 'copies', `${copy}`, id);
    if (!existsSync(target)) await copyStudy(original, target, copy);
    return target;
  };
  const linkStudies = async (size: number): Promise<string> => {
    const out = join(folder, String(size));
    mkdirSync(join(out, 'train_images'), { recursive: true });
    const copies = Array.from({ length: Math.ceil(size / generated) }, (_, copy) =>
      ids.slice(0, size - copy * generated).map((id) => [id, `${copy + 1}${id}`] as const),
    );
    for (const [copy, studies] of copies.entries()) {
      for (const [id, name] of studies)
        symlinkSync(await folderOf(id, copy), join(out, 'train_images', name));
    }
    for (const [index, name] of TABLES.entries()) {
      const [heading, ...rows] = lines[index]!;
      const renamed = copies.flatMap((copy) => {
        const names = new Map(copy);
        return rows.flatMap((row) => {
          const [id, ...fields] = row.split(',');
          const name = names.get(id!);
          return name ? [[name, ...fields].join(',')] : [];
        });
      });
      writeFileSync(join(out, name), `${[heading, ...renamed].join('\n')}\n`);
    }
    writeFileSync(join(out, 'phantom.json'), readFileSync(join(phantom, 'phantom.json')));
    return out;
  };
  const folders = new Map<number, string>();
  for (const size of sizes) folders.set(size, await linkStudies(size));
  return folders;
}

/** Copies the series of a study. The Study Instance UID of the copy ends in the number of the copy. */
async function copyStudy(from: string, to: string, copy: number): Promise<void> {
  for (const path of readdirSync(from, { recursive: true, encoding: 'utf8' })) {
    const file = join(from, path);
    if (!path.endsWith('.dcm')) {
      mkdirSync(join(to, path), { recursive: true });
      continue;
    }
    const { studyInstanceUid: uid } = await readHeader(file);
    const otherUid = uid!.slice(0, -4) + String(copy).padStart(4, '0');
    writeFileSync(join(to, path), readFileSync(file, 'latin1').replaceAll(uid!, otherUid), 'latin1');
  }
}

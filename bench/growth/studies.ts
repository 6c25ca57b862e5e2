/** Folders of many synthetic studies in the RSNA layout. Most studies are links. */
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { generatePhantom } from '#spinegrad/phantom/generate.js';

const SLICES = 3;
const TABLES = ['train.csv', 'train_label_coordinates.csv', 'train_series_descriptions.csv'];

/**
 * Creates one folder per size inside `folder`. `generated` studies are generated; the others are links to them.
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
  const linkStudies = (size: number): string => {
    const out = join(folder, String(size));
    mkdirSync(join(out, 'train_images'), { recursive: true });
    const copies = Array.from({ length: Math.ceil(size / generated) }, (_, copy) =>
      ids.slice(0, size - copy * generated).map((id) => [id, `${copy + 1}${id}`] as const),
    );
    for (const [id, name] of copies.flat()) {
      symlinkSync(resolve(phantom, 'train_images', id), join(out, 'train_images', name));
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
  return new Map(sizes.map((size) => [size, linkStudies(size)]));
}

/** Folders of many synthetic studies in the RSNA layout, few of which are really there. */
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { generatePhantom } from '#spinegrad/phantom/generate.js';

const SLICES = 3;
const TABLES = ['train.csv', 'train_label_coordinates.csv', 'train_series_descriptions.csv'];

/** Folders by number of studies, made in `folder`; the phantom has `real` of them, the others are links to these. */
export async function studyFolders(
  folder: string,
  sizes: readonly number[],
  real = 50,
): Promise<Map<number, string>> {
  if (sizes.length === 0) return new Map();
  const phantom = join(folder, 'phantom');
  await generatePhantom({
    out: phantom,
    studies: real,
    seed: 1,
    prevalence: 'enriched',
    slices: SLICES,
  });
  const lines = TABLES.map((name) => readFileSync(join(phantom, name), 'utf8').trim().split('\n'));
  const ids = lines[0]!.slice(1).map((line) => line.split(',')[0]!);
  const linked = (size: number): string => {
    const out = join(folder, String(size));
    mkdirSync(join(out, 'train_images'), { recursive: true });
    const copies = Array.from({ length: Math.ceil(size / real) }, (_, copy) =>
      ids.slice(0, size - copy * real).map((id) => [id, `${copy + 1}${id}`] as const),
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
          const other = names.get(id!);
          return other ? [[other, ...fields].join(',')] : [];
        });
      });
      writeFileSync(join(out, name), `${[heading, ...renamed].join('\n')}\n`);
    }
    writeFileSync(join(out, 'phantom.json'), readFileSync(join(phantom, 'phantom.json')));
    return out;
  };
  return new Map(sizes.map((size) => [size, linked(size)]));
}

/** Changes of model.json that keep its own hash right, as an author of a hostile model would. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hashOfModel } from '#spinegrad/model/description.js';

// biome-ignore lint/suspicious/noExplicitAny: tests write values that the schema refuses
export type Json = any;

/** Changes the object of model.json in a folder; returns the path of the file. */
export function changeModel(dir: string, change: (model: Json) => void): string {
  const path = join(dir, 'model.json');
  const model = JSON.parse(readFileSync(path, 'utf8'));
  change(model);
  writeFileSync(path, JSON.stringify({ ...model, sha256: hashOfModel(model) }));
  return path;
}

/** Replaces a part of the compact text of model.json. */
export const replaceInModel = (dir: string, found: string, other: string): string =>
  changeModel(dir, (model) => {
    const text = JSON.stringify(model);
    if (!text.includes(found)) throw new Error(`${dir}: model.json has no ${found}`);
    for (const key of Object.keys(model)) delete model[key];
    Object.assign(model, JSON.parse(text.replace(found, other)));
  });

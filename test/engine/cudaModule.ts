/** Code that runs on a simulated CUDA device, in a separate process. */
import { expect } from 'vitest';
import { runModule, SIMULATOR } from './child.js';

export const IMPORTS = `
  import { openDevice } from '#spinegrad/engine/openDevice.js';
  import { add } from '#spinegrad/engine/ops/elementwise.js';
  const codeOf = async (body) => {
    try {
      return { value: await body() };
    } catch ({ name, code, message }) {
      return { name, code, message };
    }
  };
`;

/** Runs code that prints one line of JSON, and parses it. */
export async function output(
  code: string,
  env: Record<string, string> = {},
): Promise<ReturnType<typeof JSON.parse>> {
  const ended = await runModule(IMPORTS + code, { env: { SPINEGRAD_CUDA_LIBRARY: SIMULATOR, ...env } });
  expect(ended, ended.output).toMatchObject({ status: 0 });
  return JSON.parse(ended.output);
}

/** What an import changes in its process. */
import { describe, expect, it } from 'vitest';
import { runModule } from './child.js';

const IMPORT = `
  await import('${new URL('../../dist/engine/openDevice.js', import.meta.url).href}');
`;
const WORKER = `
  import { once } from 'node:events';
  import { Worker } from 'node:worker_threads';
  await once(new Worker(${JSON.stringify(`(async () => { ${IMPORT} })()`)}, { eval: true, execArgv: [] }), 'exit');
`;

describe.each([
  ['the main thread', IMPORT],
  ['a worker thread', WORKER],
])('an import in %s', (_, importing) => {
  // OMP_DISPLAY_ENV lets libgomp print its settings when it is loaded.
  const code = `
    import { execFileSync } from 'node:child_process';
    const before = JSON.stringify(process.env);
    ${importing}
    console.log('unchanged:', JSON.stringify(process.env) === before, /OMP_WAIT|SPINCOUNT/.test(execFileSync('env')));
  `;

  it('lets threads of OpenMP spin shortly, and leaves the environment as it is', async () => {
    const { status, output } = await runModule(code, { env: { OMP_DISPLAY_ENV: 'VERBOSE' } });
    expect(status, output).toBe(0);
    expect(output).toMatch(/OMP_WAIT_POLICY = 'PASSIVE'/);
    expect(output).toMatch(/GOMP_SPINCOUNT = '1000'/);
    expect(output).toContain('unchanged: true false');
  });

  it('keeps the settings of the user', async () => {
    const env = { OMP_DISPLAY_ENV: 'VERBOSE', OMP_WAIT_POLICY: 'active', GOMP_SPINCOUNT: '77' };
    const { status, output } = await runModule(code, { env });
    expect(status, output).toBe(0);
    expect(output).toMatch(/OMP_WAIT_POLICY = 'ACTIVE'/);
    expect(output).toMatch(/GOMP_SPINCOUNT = '77'/);
    expect(output).toContain('unchanged: true true');
  });
});

/** `spinegrad doctor`: which device would be used and why, what it stands on, and what to type where something is missing. */
import { readFileSync } from 'node:fs';
import { Command } from 'commander';

type Line = readonly [name: string, value: string];

/** Instruction sets that the kernels and oneDNN choose between, best first. */
const FEATURES = ['amx_tile', 'avx512_bf16', 'avx512_vnni', 'avx512f', 'avx2', 'fma'];

const LIBRARIES = /\/(spinegrad\.node|libdnnl\.so|libgomp\.so|libcuda[^/]*\.so)[^/]*$/;

export function doctorCommand(): Command {
  return new Command('doctor')
    .description('say which device would be used and why, the versions, and what is missing')
    .action(async () => {
      const lines: Line[] = [...machine()];
      const problem = await engine(lines);
      for (const [name, value] of lines) console.log(`${name.padEnd(12)} ${value}`);
      if (problem === null) {
        console.log('\nready: node train.js');
        return;
      }
      console.log(`\n${problem}`);
      process.exitCode = 1;
    });
}

function machine(): Line[] {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  const { header } = process.report.getReport() as unknown as { header: { glibcVersionRuntime?: string } };
  const cpuinfo = readCpuinfo();
  const flags = new Set(cpuinfo('flags').split(' '));
  const features = FEATURES.filter((feature) => flags.has(feature));
  return [
    ['spinegrad', version],
    ['node', `${process.version} (needs 20.17 or newer)`],
    ['system', `${process.platform}-${process.arch}, glibc ${header.glibcVersionRuntime ?? 'not found'}`],
    ['processor', cpuinfo('model name') || 'unknown'],
    ['features', features.join(', ') || 'none of AVX2, AVX-512: slow'],
  ];
}

/** Opens the device and computes on it; the problem that stops it, with what to do, or null. */
async function engine(lines: Line[]): Promise<string | null> {
  try {
    const { cudaKernels, openDevice } = await import('../engine/device.js');
    lines.push(['kernels', cudaKernels() || 'none for CUDA: nvcc was not found when the addon was built']);
    using device = await openDevice('auto');
    using probe = device.full([4], 2);
    const values = await probe.data();
    if (values.some((value) => value !== 2)) return `${device.name}: computed ${values}, expected 2,2,2,2`;
    lines.push(['device', `${device.name}: ${device.reason}`], ['', device.description]);
    return null;
  } catch (error) {
    lines.push(['device', 'none']);
    return (error as Error).message;
  } finally {
    const { sharedObjects } = process.report.getReport() as unknown as { sharedObjects: string[] };
    for (const path of sharedObjects.filter((path) => LIBRARIES.test(path))) lines.push(['loaded', path]);
  }
}

/** The first value of a key of /proc/cpuinfo; empty where there is none. */
function readCpuinfo(): (key: string) => string {
  try {
    const rows = readFileSync('/proc/cpuinfo', 'utf8').split('\n');
    return (key) => rows.find((row) => row.startsWith(key))?.split(': ')[1] ?? '';
  } catch {
    return () => '';
  }
}

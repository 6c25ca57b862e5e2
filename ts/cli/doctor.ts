/** `spinegrad doctor`: prints the versions, the devices, and how to install what is missing. */
import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import type { Device } from '../engine/device.js';
import { commandLine } from '../io/commandLine.js';
import { VERSION } from '../io/version.js';

type Line = readonly [name: string, value: string];

/** Instruction sets that the kernels and oneDNN choose between, best first. */
const FEATURES = ['amx_tile', 'avx512_bf16', 'avx512_vnni', 'avx512f', 'avx2', 'fma'];

const LIBRARIES = /\/(spinegrad\.node|libdnnl\.so|libgomp\.so|libcuda[^/]*\.so)[^/]*$/;

export function doctorCommand(): Command {
  return new Command('doctor')
    .description('print the versions, the devices and what is missing')
    .action(async () => {
      const lines = machine();
      const problem = await addEngine(lines);
      for (const [name, value] of lines) console.log(`${name.padEnd(12)} ${value}`);
      console.log(`\n${problem ?? `ready: ${commandLine('train')}`}`);
      process.exitCode = problem === null ? 0 : 1;
    });
}

function machine(): Line[] {
  const { header } = process.report.getReport() as unknown as { header: { glibcVersionRuntime?: string } };
  const processor = readProcessor();
  const flags = new Set(processor('flags').split(' '));
  const features = FEATURES.filter((feature) => flags.has(feature));
  return [
    ['spinegrad', VERSION],
    ['node', `${process.version} (needs 20.17 or newer)`],
    ['system', `${process.platform}-${process.arch}, glibc ${header.glibcVersionRuntime ?? 'not found'}`],
    ['processor', processor('model name') || 'unknown'],
    ['features', features.join(', ') || 'neither AVX2 nor AVX-512: slow'],
  ];
}

/** Adds what the engine reports. Returns the problem that stops it, with what to do, or null. */
async function addEngine(lines: Line[]): Promise<string | null> {
  try {
    const { cudaKernels, openDevice } = await import('../engine/openDevice.js');
    using device = await openDevice('auto');
    lines.push(['device', `${device.name}: ${device.reason}`], ['', device.description]);
    lines.push(['kernels', cudaKernels() || 'none for CUDA: nvcc was not found when the addon was built']);
    const cuda = await openDevice('cuda').catch((error: Error) => error);
    lines.push(['cuda', cuda instanceof Error ? cuda.message : `${cuda.name}: ${cuda.description}`]);
    if (!(cuda instanceof Error)) cuda.close();
    return await compute(device);
  } catch (error) {
    lines.push(['device', 'none']);
    return (error as Error).message;
  } finally {
    const { sharedObjects } = process.report.getReport() as unknown as { sharedObjects: string[] };
    for (const path of sharedObjects.filter((path) => LIBRARIES.test(path))) lines.push(['loaded', path]);
  }
}

async function compute(device: Device): Promise<string | null> {
  using twos = device.full([4], 2);
  const values = await twos.data();
  return values.every((value) => value === 2) ? null : `${device.name}: computed ${values}, expected 2,2,2,2`;
}

/** Looks up the first value of a key in /proc/cpuinfo; empty if there is none. */
function readProcessor(): (key: string) => string {
  try {
    const lines = readFileSync('/proc/cpuinfo', 'utf8').split('\n');
    return (key) => lines.find((line) => line.startsWith(key))?.split(': ')[1] ?? '';
  } catch {
    return () => '';
  }
}

/**
 * Compiles every kernel for every architecture and compares registers and shared memory with docs/kernels/resources.md:
 *
 *     npm run kernels:resources                 # fails if a kernel spills or differs from the table
 *     npm run kernels:resources -- --write      # writes the table
 *     npm run kernels:resources -- --json FILE  # compares, and writes resources and parameters to FILE
 *
 * Needs nvcc of CUDA 12.8 or newer. The table holds the results of one nvcc version.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';

const root = join(import.meta.dirname, '..');
const page = join(root, 'docs', 'kernels', 'resources.md');

/**
 * Limits of a multiprocessor: threads, blocks, bytes of shared memory, and bytes reserved per block. CUDA C++ Programming
 * Guide, "Technical Specifications".
 */
const MULTIPROCESSORS = {
  75: { threads: 1024, blocks: 16, shared: 64 << 10, reserved: 0 },
  80: { threads: 2048, blocks: 32, shared: 164 << 10, reserved: 1024 },
  86: { threads: 1536, blocks: 16, shared: 100 << 10, reserved: 1024 },
  89: { threads: 1536, blocks: 24, shared: 100 << 10, reserved: 1024 },
  90: { threads: 2048, blocks: 32, shared: 228 << 10, reserved: 1024 },
  100: { threads: 2048, blocks: 32, shared: 228 << 10, reserved: 1024 },
  120: { threads: 1536, blocks: 24, shared: 100 << 10, reserved: 1024 },
};
const REGISTERS = 65536;
/** Registers are allocated to a warp in units of this size. */
const REGISTER_UNIT = 256;
const ARCHITECTURES = Object.keys(MULTIPROCESSORS).map(Number);

/** Resident threads of this kernel as a fraction of the threads that a multiprocessor can hold. */
function occupancy(architecture, { threads, registers, shared }) {
  const limits = MULTIPROCESSORS[architecture];
  const warps = Math.ceil(threads / 32);
  const warpRegisters = Math.ceil((registers * 32) / REGISTER_UNIT) * REGISTER_UNIT;
  const blocks = Math.min(
    limits.blocks,
    Math.floor(limits.threads / (warps * 32)),
    Math.floor(REGISTERS / warpRegisters / warps),
    Math.floor(limits.shared / (shared + limits.reserved)),
  );
  return (blocks * warps * 32) / limits.threads;
}

const folder = mkdtempSync(join(tmpdir(), 'spinegrad-resources-'));
const run = promisify(execFile);

/** Resources of the kernels in a file, from ptxas and the cubin: { name: { registers, shared, local, threads, parameters } }. */
async function compile(file, architecture) {
  const cubin = join(folder, `${basename(file)}.${architecture}.cubin`);
  const options = [
    '-cubin',
    `-arch=sm_${architecture}`,
    '-std=c++20',
    '-O3',
    '-I.',
    '-Xptxas',
    '-v',
    '-o',
    cubin,
  ];
  const { stderr } = await run('nvcc', [...options, join('kernels', file)], {
    cwd: root,
    maxBuffer: 1 << 26,
  });
  const described = kernelsOf(cubin);
  const kernels = {};
  for (const part of stderr.split('Compiling entry function ').slice(1)) {
    const name = /^'(.+?)'/.exec(part)[1];
    const number = (pattern) => Number(pattern.exec(part)?.[1] ?? 0);
    kernels[name] = {
      registers: number(/Used (\d+) registers/),
      shared: number(/(\d+) bytes smem/),
      local: number(/(\d+) bytes stack frame/) + number(/(\d+) bytes spill stores/),
      ...described.get(name),
    };
  }
  return kernels;
}

/**
 * Reads launch bounds and parameters ("offset:bytes", in order) of a cubin's kernels from the sections .nv.info.NAME of
 * the ELF file. An attribute has one byte of format, one byte of kind, and two bytes that hold its value or the size of
 * the value that follows.
 */
function kernelsOf(cubin) {
  const SIZED = 4;
  const MAX_THREADS = 5;
  const PARAMETER = 0x17;
  const bytes = readFileSync(cubin);
  const headers = Number(bytes.readBigUInt64LE(0x28));
  const size = bytes.readUInt16LE(0x3a);
  const section = (index) => {
    const at = headers + index * size;
    const start = Number(bytes.readBigUInt64LE(at + 0x18));
    return [bytes.readUInt32LE(at), bytes.subarray(start, start + Number(bytes.readBigUInt64LE(at + 0x20)))];
  };
  const [, names] = section(bytes.readUInt16LE(0x3e));
  const found = new Map();
  for (let i = 0; i < bytes.readUInt16LE(0x3c); i++) {
    const [at, info] = section(i);
    const name = names.toString('latin1', at, names.indexOf(0, at));
    if (!name.startsWith('.nv.info.')) continue;
    const kernel = { threads: 0, parameters: [] };
    for (let at = 0; at < info.length; ) {
      const [sized, kind] = [info[at] === SIZED, info[at + 1]];
      if (sized && kind === MAX_THREADS) kernel.threads = info.readUInt32LE(at + 4);
      if (sized && kind === PARAMETER) {
        const place = `${info.readUInt16LE(at + 10)}:${info.readUInt32LE(at + 12) >>> 18}`;
        kernel.parameters[info.readUInt16LE(at + 8)] = place;
      }
      at += 4 + (sized ? info.readUInt16LE(at + 2) : 0);
    }
    found.set(name.slice('.nv.info.'.length), kernel);
  }
  return found;
}

async function compileAll() {
  const files = readdirSync(join(root, 'kernels')).filter((file) => file.endsWith('.cu'));
  const jobs = files.flatMap((file) => ARCHITECTURES.map((architecture) => [file, architecture]));
  const kernels = new Map();
  const work = async () => {
    for (let next = jobs.pop(); next; next = jobs.pop()) {
      const [file, architecture] = next;
      for (const [name, resources] of Object.entries(await compile(file, architecture))) {
        if (!kernels.has(name)) kernels.set(name, {});
        kernels.get(name)[architecture] = resources;
      }
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, work));
  return [...kernels].sort(([a], [b]) => (a < b ? -1 : 1));
}

function table(kernels, version) {
  const rows = kernels.map(([name, resources]) => {
    const { threads } = resources[ARCHITECTURES[0]];
    const shared = [...new Set(ARCHITECTURES.map((architecture) => resources[architecture].shared))];
    const cells = ARCHITECTURES.map((architecture) => {
      const percent = Math.round(100 * occupancy(architecture, resources[architecture]));
      return `${resources[architecture].registers} (${percent}%)`;
    });
    return `| \`${name}\` | ${threads} | ${shared.join(' or ')} | ${cells.join(' | ')} |`;
  });
  return [
    '# Kernel resources',
    '',
    '<!-- Written by `npm run kernels:resources -- --write`. -->',
    '',
    `Compiled by nvcc of CUDA ${version}. Columns: maximum threads per block, bytes of static shared memory, and for each`,
    'architecture the registers per thread with the occupancy that follows from these three. Occupancy assumes the maximum',
    'block size and no dynamic shared memory. No kernel uses local memory: none spills. The values come from the compiler;',
    'none was measured on a GPU.',
    '',
    `| kernel | threads | shared | ${ARCHITECTURES.map((architecture) => `sm_${architecture}`).join(' | ')} |`,
    `|---|---|---|${'---|'.repeat(ARCHITECTURES.length)}`,
    ...rows,
    '',
  ].join('\n');
}

function fail(...lines) {
  for (const line of lines) console.error(`kernels:resources: ${line}`);
  process.exitCode = 1;
}

async function main() {
  const { stdout } = await run('nvcc', ['--version']);
  const version = /release (\d+\.\d+)/.exec(stdout)[1];
  const [major, minor] = version.split('.').map(Number);
  if (major < 12 || (major === 12 && minor < 8)) {
    return fail(
      `nvcc: expected CUDA 12.8 or newer, which compiles for sm_${ARCHITECTURES}; found ${version}`,
    );
  }
  const kernels = await compileAll();
  for (const [name, resources] of kernels) {
    for (const architecture of ARCHITECTURES) {
      const { local } = resources[architecture];
      if (local > 0)
        fail(`${name} on sm_${architecture}: ${local} bytes of local memory or spills, expected none`);
    }
  }
  const json = process.argv.indexOf('--json');
  if (json > 0) writeFileSync(process.argv[json + 1], JSON.stringify(Object.fromEntries(kernels)));
  const current = table(kernels, version);
  if (process.argv.includes('--write')) return writeFileSync(page, current);
  const committed = readFileSync(page, 'utf8');
  const [, tableVersion] = /nvcc of CUDA (\d+\.\d+)/.exec(committed);
  if (tableVersion !== version) {
    return console.log(
      `no spills; not compared with the table: it is of CUDA ${tableVersion}, nvcc is ${version}`,
    );
  }
  const [before, now] = [committed, current].map((text) => new Set(text.split('\n')));
  const lines = [
    ...[...before].filter((line) => !now.has(line)).map((line) => `- ${line}`),
    ...[...now].filter((line) => !before.has(line)).map((line) => `+ ${line}`),
  ];
  if (lines.length > 0)
    fail(
      'docs/kernels/resources.md differs from nvcc; check the differences, then run with --write',
      ...lines,
    );
  else console.log(`no spills; ${kernels.length} kernels equal docs/kernels/resources.md`);
}

try {
  await main();
} catch (error) {
  fail(
    error.code === 'ENOENT'
      ? 'nvcc was not found; it is part of the CUDA toolkit'
      : (error.stderr ?? error.message),
  );
} finally {
  rmSync(folder, { recursive: true });
}

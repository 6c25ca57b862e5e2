/**
 * Compiles every kernel for every architecture and compares what the compiler says with docs/kernels/resources.md:
 *
 *     npm run kernels:resources                 # fails where a kernel spills, or where the table is another
 *     npm run kernels:resources -- --write      # writes the table
 *     npm run kernels:resources -- --json FILE  # compares, and writes all that was found to FILE, parameters too
 *
 * Needs nvcc of CUDA 12.8 or newer; the table is of one version of it.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';

const root = join(import.meta.dirname, '..');
const page = join(root, 'docs', 'kernels', 'resources.md');

/** Of a multiprocessor: threads, blocks, bytes of shared memory; from the CUDA C++ Programming Guide, "Technical Specifications". */
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
/** A warp gets registers in pieces of this size. */
const REGISTER_PIECE = 256;
const ARCHITECTURES = Object.keys(MULTIPROCESSORS).map(Number);

/** Part of the threads that a multiprocessor can hold, were all of them this kernel's. */
function occupancy(architecture, { threads, registers, shared }) {
  const limits = MULTIPROCESSORS[architecture];
  const warps = Math.ceil(threads / 32);
  const ofWarp = Math.ceil((registers * 32) / REGISTER_PIECE) * REGISTER_PIECE;
  const blocks = Math.min(
    limits.blocks,
    Math.floor(limits.threads / (warps * 32)),
    Math.floor(REGISTERS / ofWarp / warps),
    Math.floor(limits.shared / (shared + limits.reserved)),
  );
  return (blocks * warps * 32) / limits.threads;
}

const folder = mkdtempSync(join(tmpdir(), 'spinegrad-resources-'));
const run = promisify(execFile);

/** What ptxas and the cubin say of the kernels in a file: { name: { registers, shared, local, threads, parameters } }. */
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
 * Launch bounds and parameters ("offset:bytes", in their order) of a cubin's kernels, from the sections .nv.info.NAME of
 * the ELF file: attributes of a byte of format, a byte of kind, two bytes of value or of size of what follows.
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
  const left = files.flatMap((file) => ARCHITECTURES.map((architecture) => [file, architecture]));
  const kernels = new Map();
  const work = async () => {
    for (let next = left.pop(); next; next = left.pop()) {
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
    '# What the kernels take of a multiprocessor',
    '',
    '<!-- Written by `npm run kernels:resources -- --write`. -->',
    '',
    `By nvcc of CUDA ${version}: the most threads of a block, bytes of static shared memory, and for each architecture the`,
    'registers of a thread and, from these three, the occupancy (the part of the threads that a multiprocessor can hold, at',
    'the most threads of a block; what a launch asks for in dynamic shared memory is not counted). No kernel uses local',
    "memory: none spills. Computed from the compiler's output, not measured.",
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
    return fail(`nvcc is of CUDA ${version}, expected 12.8 or newer, which knows all of sm_${ARCHITECTURES}`);
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
  const found = table(kernels, version);
  if (process.argv.includes('--write')) return writeFileSync(page, found);
  const committed = readFileSync(page, 'utf8');
  const [, of] = /nvcc of CUDA (\d+\.\d+)/.exec(committed);
  if (of !== version)
    return console.log(`no spills; the table is of CUDA ${of}, this is ${version}: not compared`);
  const [before, now] = [committed, found].map((text) => new Set(text.split('\n')));
  const lines = [
    ...[...before].filter((line) => !now.has(line)).map((line) => `- ${line}`),
    ...[...now].filter((line) => !before.has(line)).map((line) => `+ ${line}`),
  ];
  if (lines.length > 0)
    fail('docs/kernels/resources.md is not what nvcc says now; look, then run with --write', ...lines);
  else console.log(`no spills; ${kernels.length} kernels as in docs/kernels/resources.md`);
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

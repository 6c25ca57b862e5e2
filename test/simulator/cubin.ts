/** What a cubin says of its kernels: an ELF file with a section .nv.info.NAME for each. */
import { readFileSync } from 'node:fs';

/** Attributes of .nv.info: a byte of format, a byte of kind, two bytes of value or of size of what follows. */
const FORMAT_SIZED = 4;
const KIND_PARAMETER = 0x17;

/** The kernels of a cubin by name; parameters as "offset:bytes", in their order. */
export function kernelsOf(path: string): Map<string, string[]> {
  const bytes = readFileSync(path);
  const headers = Number(bytes.readBigUInt64LE(0x28));
  const headerSize = bytes.readUInt16LE(0x3a);
  const section = (index: number) => {
    const at = headers + index * headerSize;
    const start = Number(bytes.readBigUInt64LE(at + 0x18));
    const content = bytes.subarray(start, start + Number(bytes.readBigUInt64LE(at + 0x20)));
    return { name: bytes.readUInt32LE(at), content };
  };
  const names = section(bytes.readUInt16LE(0x3e)).content;
  const kernels = new Map<string, string[]>();
  for (let i = 0; i < bytes.readUInt16LE(0x3c); i++) {
    const { name, content } = section(i);
    const text = names.toString('latin1', name, names.indexOf(0, name));
    if (text.startsWith('.nv.info.')) kernels.set(text.slice('.nv.info.'.length), parameters(content));
  }
  return kernels;
}

function parameters(info: Buffer): string[] {
  const found: string[] = [];
  for (let at = 0; at < info.length; ) {
    const sized = info[at] === FORMAT_SIZED;
    if (sized && info[at + 1] === KIND_PARAMETER) {
      const ordinal = info.readUInt16LE(at + 8);
      found[ordinal] = `${info.readUInt16LE(at + 10)}:${info.readUInt32LE(at + 12) >>> 18}`;
    }
    at += 4 + (sized ? info.readUInt16LE(at + 2) : 0);
  }
  return found;
}

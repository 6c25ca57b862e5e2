/** Writes PNG files with any chunks. */
import { crc32 } from 'node:zlib';

const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

interface Form {
  /** Default 8. */
  depth?: number;
  /** Default 0, grey. */
  colour?: number;
  interlaced?: boolean;
}

/** A PNG with the given chunks between IHDR and IEND. */
export function encodePng(
  width: number,
  height: number,
  chunks: readonly (readonly [type: string, data: Uint8Array])[],
  { depth = 8, colour = 0, interlaced = false }: Form = {},
): Buffer {
  const header = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, depth, colour, 0, 0, interlaced ? 1 : 0]);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  const all = [['IHDR', header], ...chunks, ['IEND', Buffer.alloc(0)]] as const;
  const parts = all.map(([type, data]) => {
    const body = Buffer.concat([Buffer.from(type), data]);
    const [length, checksum] = [Buffer.alloc(4), Buffer.alloc(4)];
    length.writeUInt32BE(data.length);
    checksum.writeUInt32BE(crc32(body));
    return Buffer.concat([length, body, checksum]);
  });
  return Buffer.concat([SIGNATURE, ...parts]);
}

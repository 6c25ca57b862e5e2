/** Reads a PNG image as a slice without geometry, which is assumed to be canonical (anterior left, superior up). */
import { promisify } from 'node:util';
import { inflate } from 'node:zlib';
import { convertIndexedToRgb, decode } from 'fast-png';
import { SpinegradError } from '../error.js';
import { checkImageSize, readImageFile } from '../io/imageLimit.js';
import { type SourceSlice, sliceOfPixels } from './series.js';

const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

/** Samples per pixel by colour type. */
const SAMPLES: Record<number, number> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };

const PALETTE = 3;

/** First column and row, and distances of columns and rows, of the passes of an interlaced image. */
const ADAM7 = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
] as const;

/** Maximum number of chunks. Encoders write IDAT chunks of 8 kB or more. */
const MAX_CHUNKS = 2 ** 16;

interface Header {
  width: number;
  height: number;
  bitsPerPixel: number;
  interlaced: boolean;
}

/**
 * Reads a PNG of 8 or 16 bits. Colours are converted to luminance (ITU-R BT.601); transparency is ignored.
 *
 * @param spacing between rows and between columns in mm, or null if unknown
 * @throws SpinegradError ERR_FILE_NOT_FOUND, ERR_FILE_READ, ERR_IMAGE_LIMIT, ERR_PNG
 */
export async function readPng(path: string, spacing: readonly [number, number] | null): Promise<SourceSlice> {
  const bytes = await readImageFile(path);
  try {
    const chunks = chunksOf(bytes);
    const header = headerOf(chunks);
    const { width, height } = header;
    checkImageSize(path, [width, height], header.bitsPerPixel / 8);
    await checkPixels(chunks, header);
    const image = decode(Buffer.concat([SIGNATURE, ...chunks.map(({ bytes: chunk }) => chunk)]));
    const data = image.palette === undefined ? image.data : convertIndexedToRgb(image);
    const channels = data.length / (width * height);
    const pixels = new Float32Array(width * height);
    for (let i = 0; i < pixels.length; i++) {
      const [red = 0, green = 0, blue = 0] = data.subarray(i * channels, (i + 1) * channels);
      pixels[i] = channels < 3 ? red : 0.299 * red + 0.587 * green + 0.114 * blue;
    }
    return sliceOfPixels(path, { rows: height, columns: width, pixels }, spacing);
  } catch (cause) {
    if (cause instanceof SpinegradError) throw cause;
    throw new SpinegradError('ERR_PNG', `${path}: not a readable PNG file: ${(cause as Error).message}`, {
      cause,
    });
  }
}

interface Chunk {
  type: string;
  /** With length, type and checksum. */
  bytes: Buffer;
  data: Buffer;
}

/** The chunks that give the pixels. The others are not decoded: a colour profile can unpack to gigabytes. */
function chunksOf(bytes: Buffer): Chunk[] {
  if (!bytes.subarray(0, 8).equals(SIGNATURE)) throw new Error('found no PNG signature');
  const chunks: Chunk[] = [];
  for (let at = 8; chunks.at(-1)?.type !== 'IEND'; ) {
    if (at + 12 > bytes.length) throw new Error('the file is truncated');
    const end = at + 12 + bytes.readUInt32BE(at);
    if (end > bytes.length) throw new Error('the file is truncated');
    const type = bytes.toString('latin1', at + 4, at + 8);
    if (['IHDR', 'PLTE', 'IDAT', 'IEND'].includes(type)) {
      chunks.push({ type, bytes: bytes.subarray(at, end), data: bytes.subarray(at + 8, end - 4) });
    }
    if (chunks.length > MAX_CHUNKS) throw new Error(`found more than ${MAX_CHUNKS} chunks`);
    at = end;
  }
  return chunks;
}

function headerOf(chunks: readonly Chunk[]): Header {
  const { type, data } = chunks[0]!;
  const headers = chunks.filter((chunk) => chunk.type === 'IHDR').length;
  if (type !== 'IHDR' || data.length !== 13 || headers !== 1) throw new Error('found no valid IHDR chunk');
  const [width, height] = [data.readUInt32BE(0), data.readUInt32BE(4)];
  const [depth, colour, interlace] = [data[8]!, data[9]!, data[12]!];
  if (width === 0 || height === 0) throw new Error(`found ${width} x ${height} pixels, expected one or more`);
  const samples = SAMPLES[colour];
  if (samples === undefined) throw new Error(`found colour type ${colour}, expected 0, 2, 3, 4 or 6`);
  const depths = colour === PALETTE ? [1, 2, 4, 8] : [8, 16];
  if (!depths.includes(depth))
    throw new Error(`found ${depth} bits per sample, expected ${depths.join(', ')}`);
  return { width, height, bitsPerPixel: samples * depth, interlaced: interlace === 1 };
}

/** Unpacks the pixels, and throws if they are not those that the header states. The decoder has no bound of its own. */
async function checkPixels(chunks: readonly Chunk[], header: Header): Promise<void> {
  const { width, height, bitsPerPixel, interlaced } = header;
  let expected = 0;
  for (const [x, y, dx, dy] of interlaced ? ADAM7 : ([[0, 0, 1, 1]] as const)) {
    const [columns, rows] = [Math.ceil((width - x) / dx), Math.ceil((height - y) / dy)];
    // Each row begins with the type of its filter.
    if (columns > 0 && rows > 0) expected += rows * (1 + Math.ceil((columns * bitsPerPixel) / 8));
  }
  const packed = Buffer.concat(chunks.filter(({ type }) => type === 'IDAT').map(({ data }) => data));
  const found = await promisify(inflate)(packed, { maxOutputLength: expected }).catch((cause) => {
    if (cause.code !== 'ERR_BUFFER_TOO_LARGE') throw cause;
    throw new Error(`found more bytes of pixels than the ${expected} of the header`);
  });
  if (found.length < expected)
    throw new Error(`found ${found.length} bytes of pixels, expected ${expected}; it is truncated`);
}

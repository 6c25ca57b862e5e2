/**
 * Decoders of encapsulated frames. They come from one WebAssembly module (dcmjs-codecs: IJG JPEG for 8, 12 and 16 bits,
 * CharLS, OpenJPEG, OpenJPH, RLE). Each thread has its own instance.
 */
import codecs from 'dcmjs-codecs';
import { SpinegradError } from '../error.js';
import { codestreamSize } from './codestream.js';
import { describe } from './dataset.js';
import type { PixelCells, PixelLayout } from './layout.js';

const { Context, NativeCodecs } = codecs;

// For a damaged file, the log repeats the message of the error on several lines of stderr.
codecs.log.setLevel('silent', false);

type Context = InstanceType<typeof Context>;

interface Codec {
  name: string;
  /** Transfer Syntax UIDs (PS3.6 Annex A). */
  transferSyntaxes: readonly string[];
  decode: (context: Context) => Context;
  /** Whether the data begin with markers that give the image size. RLE has none. */
  hasCodestream: boolean;
}

const CODECS: readonly Codec[] = [
  {
    name: 'RLE',
    transferSyntaxes: ['1.2.840.10008.1.2.5'],
    decode: (context) => NativeCodecs.decodeRle(context),
    hasCodestream: false,
  },
  {
    name: 'JPEG',
    // .53 and .55 are retired, but occur in archives.
    transferSyntaxes: [50, 51, 53, 55, 57, 70].map((process) => `1.2.840.10008.1.2.4.${process}`),
    decode: (context) => NativeCodecs.decodeJpeg(context),
    hasCodestream: true,
  },
  {
    name: 'JPEG-LS',
    transferSyntaxes: ['1.2.840.10008.1.2.4.80', '1.2.840.10008.1.2.4.81'],
    decode: (context) => NativeCodecs.decodeJpegLs(context),
    hasCodestream: true,
  },
  {
    name: 'JPEG 2000',
    transferSyntaxes: ['1.2.840.10008.1.2.4.90', '1.2.840.10008.1.2.4.91'],
    decode: (context) => NativeCodecs.decodeJpeg2000(context),
    hasCodestream: true,
  },
  {
    name: 'HTJ2K',
    transferSyntaxes: [201, 202, 203].map((mode) => `1.2.840.10008.1.2.4.${mode}`),
    decode: (context) => NativeCodecs.decodeHtJpeg2000(context),
    hasCodestream: true,
  },
];

const MAX_TILES = 65535;

let initializing: Promise<void> | null = null;

/**
 * The codec of a transfer syntax.
 *
 * @throws SpinegradError ERR_DICOM_UNSUPPORTED
 */
export function codecOf(transferSyntax: string, path: string): Codec {
  const codec = CODECS.find(({ transferSyntaxes }) => transferSyntaxes.includes(transferSyntax));
  if (codec !== undefined) return codec;
  throw new SpinegradError(
    'ERR_DICOM_UNSUPPORTED',
    `${path}: no decoder for Transfer Syntax UID (0002,0010) ${transferSyntax}; ` +
      'convert the file to Explicit VR Little Endian',
  );
}

/**
 * Decodes one frame.
 *
 * @throws SpinegradError ERR_DICOM_DECODE if the data are damaged or the image does not match the header
 */
export async function decodeFrame(
  codec: Codec,
  encoded: Uint8Array,
  layout: PixelLayout,
  path: string,
): Promise<PixelCells> {
  const { rows, columns, bitsAllocated, bitsStored, signed } = layout;
  const fail = (found: string, cause?: unknown) =>
    new SpinegradError('ERR_DICOM_DECODE', `${path}: cannot decode the ${codec.name} data: ${found}`, {
      cause,
    });
  if (codec.hasCodestream) {
    const size = codestreamSize(encoded);
    if (size === null) throw fail('no image header');
    const { width, height, components, tiles } = size;
    if (width !== columns || height !== rows || components !== 1 || !(tiles >= 1 && tiles <= MAX_TILES)) {
      const found = `${components} x ${height} x ${width} in ${tiles} tiles`;
      throw fail(`found an image of ${found}, expected 1 x ${rows} x ${columns}`);
    }
  }
  const context = new Context({
    width: columns,
    height: rows,
    bitsAllocated,
    bitsStored,
    samplesPerPixel: 1,
    pixelRepresentation: signed ? 1 : 0,
    planarConfiguration: 0,
    photometricInterpretation: 'MONOCHROME2',
    encodedBuffer: encoded,
  });
  while (!NativeCodecs.isInitialized()) {
    initializing ??= NativeCodecs.initializeAsync();
    await initializing;
  }
  let decoded: Context;
  try {
    decoded = codec.decode(context);
  } catch (error) {
    // The state of a module that threw is unknown. The next frame gets a new instance.
    NativeCodecs.release();
    initializing = null;
    const found = error instanceof Error && error.name === 'RuntimeError' ? 'damaged data' : describe(error);
    throw fail(found.trim(), error);
  }
  const bytes = decoded.getDecodedBuffer() ?? new Uint8Array(0);
  const bits = decoded.getBitsAllocated();
  if ((bits !== 8 && bits !== 16) || bytes.length !== (rows * columns * bits) / 8) {
    throw fail(`found ${bytes.length} bytes, expected ${rows} x ${columns} pixels`);
  }
  return { bytes: bytes.slice(), bitsAllocated: bits, littleEndian: true }; // a copy: the codec reuses its memory
}

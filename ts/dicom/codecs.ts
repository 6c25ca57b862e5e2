/**
 * Decoders of compressed frames. All of them come from one WebAssembly module (dcmjs-codecs: IJG JPEG for 8, 12
 * and 16 bits, CharLS, OpenJPEG, OpenJPH, RLE), of which each thread holds its own instance.
 */
import codecs from 'dcmjs-codecs';
import { SpinegradError } from '../error.js';
import { codestreamSize } from './codestream.js';
import { describe } from './dataset.js';
import type { Cells } from './frames.js';
import type { PixelLayout } from './pixels.js';

const { Context, NativeCodecs } = codecs;

// Its log repeats, on several lines of stderr, what the error of a damaged file says.
codecs.log.setLevel('silent', false);

type Context = InstanceType<typeof Context>;

interface Codec {
  name: string;
  decode: (context: Context) => Context;
  /** RLE has no marker that tells its size; all others do. */
  hasCodestream: boolean;
}

const RLE: Codec = {
  name: 'RLE',
  decode: (context) => NativeCodecs.decodeRle(context),
  hasCodestream: false,
};
const JPEG: Codec = {
  name: 'JPEG',
  decode: (context) => NativeCodecs.decodeJpeg(context),
  hasCodestream: true,
};
const JPEG_LS: Codec = {
  name: 'JPEG-LS',
  decode: (context) => NativeCodecs.decodeJpegLs(context),
  hasCodestream: true,
};
const JPEG_2000: Codec = {
  name: 'JPEG 2000',
  decode: (context) => NativeCodecs.decodeJpeg2000(context),
  hasCodestream: true,
};
const HTJ2K: Codec = {
  name: 'HTJ2K',
  decode: (context) => NativeCodecs.decodeHtJpeg2000(context),
  hasCodestream: true,
};

/** By transfer syntax UID (PS3.6 Annex A). .53 and .55 are retired, but archives hold them. */
const CODECS = new Map<string, Codec>([
  ['1.2.840.10008.1.2.5', RLE],
  ['1.2.840.10008.1.2.4.50', JPEG],
  ['1.2.840.10008.1.2.4.51', JPEG],
  ['1.2.840.10008.1.2.4.53', JPEG],
  ['1.2.840.10008.1.2.4.55', JPEG],
  ['1.2.840.10008.1.2.4.57', JPEG],
  ['1.2.840.10008.1.2.4.70', JPEG],
  ['1.2.840.10008.1.2.4.80', JPEG_LS],
  ['1.2.840.10008.1.2.4.81', JPEG_LS],
  ['1.2.840.10008.1.2.4.90', JPEG_2000],
  ['1.2.840.10008.1.2.4.91', JPEG_2000],
  ['1.2.840.10008.1.2.4.201', HTJ2K],
  ['1.2.840.10008.1.2.4.202', HTJ2K],
  ['1.2.840.10008.1.2.4.203', HTJ2K],
]);

const MAX_TILES = 65535;

let initialized: Promise<void> | null = null;

/** The codec of a transfer syntax, ready to run. */
export async function openCodec(transferSyntax: string, path: string): Promise<Codec> {
  const codec = CODECS.get(transferSyntax);
  if (codec === undefined) {
    throw new SpinegradError(
      'ERR_DICOM_UNSUPPORTED',
      `${path}: transfer syntax ${transferSyntax} has no decoder; convert the file to an uncompressed one`,
    );
  }
  initialized ??= NativeCodecs.initializeAsync();
  await initialized;
  return codec;
}

/**
 * Decodes one frame.
 *
 * @throws SpinegradError ERR_DICOM_DECODE where the data is damaged or does not hold the image of the header
 */
export function decodeFrame(codec: Codec, encoded: Uint8Array, layout: PixelLayout, path: string): Cells {
  const { rows, columns, bitsAllocated, bitsStored, signed } = layout;
  const fail = (found: string, cause?: unknown) =>
    new SpinegradError('ERR_DICOM_DECODE', `${path}: the ${codec.name} data cannot be decoded: ${found}`, {
      cause,
    });
  if (codec.hasCodestream) {
    const size = codestreamSize(encoded);
    if (size === null) throw fail('it has no image header');
    const { width, height, components, tiles } = size;
    if (width !== columns || height !== rows || components !== 1 || !(tiles >= 1 && tiles <= MAX_TILES)) {
      const found = `${components} x ${height} x ${width} in ${tiles} tiles`;
      throw fail(`it holds an image of ${found}, expected 1 x ${rows} x ${columns}`);
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
  let decoded: Context;
  try {
    decoded = codec.decode(context);
  } catch (error) {
    // A module that has thrown is in an unknown state: the next frame gets a new instance.
    initialized = null;
    const found = error instanceof Error && error.name === 'RuntimeError' ? 'it is damaged' : describe(error);
    throw fail(found.trim(), error);
  }
  const bytes = decoded.getDecodedBuffer() ?? new Uint8Array(0);
  const bits = decoded.getBitsAllocated();
  if ((bits !== 8 && bits !== 16) || bytes.length !== (rows * columns * bits) / 8) {
    throw fail(`it gives ${bytes.length} bytes, expected ${rows} x ${columns} pixels`);
  }
  return { bytes, bitsAllocated: bits, littleEndian: true };
}

/** Encodes frames with the codecs of compressed transfer syntaxes. */
import codecs from 'dcmjs-codecs';

const { Context } = codecs;

export type Encoder = (context: InstanceType<typeof Context>) => InstanceType<typeof Context>;

/** One frame of unsigned 16-bit pixels. `NativeCodecs.initializeAsync()` must have ended. */
export function encodeFrame(rows: number, columns: number, pixels: Uint8Array, run: Encoder): Buffer {
  const context = new Context({
    width: columns,
    height: rows,
    bitsAllocated: 16,
    bitsStored: 16,
    samplesPerPixel: 1,
    pixelRepresentation: 0,
    planarConfiguration: 0,
    photometricInterpretation: 'MONOCHROME2',
    decodedBuffer: pixels,
  });
  return Buffer.from(run(context).getEncodedBuffer()!);
}

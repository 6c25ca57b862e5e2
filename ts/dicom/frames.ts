/** Splits Pixel Data (7FE0,0010) into frames and decodes the encapsulated ones. */
import type { DataSet, Element } from 'dicom-parser';
import { SpinegradError } from '../error.js';
import { startsCodestream } from './codestream.js';
import { EXPLICIT_BIG_ENDIAN, truncated } from './dataset.js';
import type { PixelCells, PixelLayout } from './layout.js';

/** Yields the pixel cells of each frame. */
export async function* frameCells(
  dataSet: DataSet,
  element: Element,
  layout: PixelLayout,
  transferSyntax: string,
  path: string,
): AsyncGenerator<PixelCells> {
  if (!element.encapsulatedPixelData) {
    yield* nativeFrames(dataSet, element, layout, transferSyntax, path);
    return;
  }
  // Loading the codecs takes 0.1 s, and uncompressed files do not need them.
  const { codecOf, decodeFrame } = await import('./codecs.js');
  const codec = codecOf(transferSyntax, path);
  for (const encoded of encapsulatedFrames(dataSet, element, layout, path)) {
    yield decodeFrame(codec, encoded, layout, path);
  }
}

function* nativeFrames(
  dataSet: DataSet,
  element: Element,
  layout: PixelLayout,
  transferSyntax: string,
  path: string,
): Generator<PixelCells> {
  const { rows, columns, frames, bitsAllocated } = layout;
  const frameBytes = rows * columns * (bitsAllocated / 8);
  const expected = frameBytes * frames;
  const found = Math.min(element.length, dataSet.byteArray.length - element.dataOffset);
  if (found < expected) {
    throw truncated(
      path,
      `Pixel Data (7FE0,0010) has ${found} bytes, expected ${expected} (${frames} x ${rows} x ${columns})`,
    );
  }
  // PS3.5 section 8.1.2 swaps 8-bit cells of a big-endian OW element in pairs. No known file does this, and other
  // readers do not undo it either.
  const littleEndian = transferSyntax !== EXPLICIT_BIG_ENDIAN;
  for (let frame = 0; frame < frames; frame++) {
    const start = element.dataOffset + frame * frameBytes;
    yield { bytes: dataSet.byteArray.subarray(start, start + frameBytes), bitsAllocated, littleEndian };
  }
}

/**
 * The encoded bytes of each frame. A frame can have several fragments (PS3.5 Annex A.4). Without a Basic Offset Table,
 * a frame begins at each fragment that starts a codestream.
 */
function encapsulatedFrames(
  dataSet: DataSet,
  element: Element,
  { frames }: PixelLayout,
  path: string,
): Uint8Array[] {
  const table = new Set(element.basicOffsetTable);
  const fragments = (element.fragments ?? []).map(({ offset, position, length }) => {
    if (position + length > dataSet.byteArray.length)
      throw truncated(path, 'a fragment of Pixel Data (7FE0,0010) extends past the end of the file');
    return { offset, bytes: dataSet.byteArray.subarray(position, position + length) };
  });
  const groups: Uint8Array[][] = [];
  fragments.forEach(({ offset, bytes }, index) => {
    const starts =
      fragments.length === frames ||
      (table.size === frames ? table.has(offset) : frames > 1 && startsCodestream(bytes));
    if (index === 0 || starts) groups.push([bytes]);
    else groups.at(-1)!.push(bytes);
  });
  if (groups.length !== frames) {
    throw new SpinegradError(
      'ERR_DICOM_DECODE',
      `${path}: Pixel Data (7FE0,0010) has ${fragments.length} fragments of ${groups.length} frames, expected ${frames}`,
    );
  }
  return groups.map((parts) => (parts.length === 1 ? parts[0]! : Buffer.concat(parts)));
}

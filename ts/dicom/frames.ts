/** The pixel cells of each frame: a slice of native pixel data, or the decoded fragments of encapsulated data. */
import type { DataSet, Element } from 'dicom-parser';
import { SpinegradError } from '../error.js';
import { startsCodestream } from './codestream.js';
import { EXPLICIT_BIG_ENDIAN, truncated } from './dataset.js';
import type { PixelCells, PixelLayout } from './layout.js';

/** Yields the cells of every frame, one at a time. */
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
  // 0.1 s of loading that only compressed files are worth.
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
      `${found} bytes of pixels, expected ${expected} (${frames} x ${rows} x ${columns})`,
    );
  }
  // Cells of one byte in an OW element of a big-endian file are swapped in pairs (PS3.5 section 8.1.2); none of
  // the big-endian files we know of does it, and neither do other readers undo it.
  const littleEndian = transferSyntax !== EXPLICIT_BIG_ENDIAN;
  for (let frame = 0; frame < frames; frame++) {
    const start = element.dataOffset + frame * frameBytes;
    yield { bytes: dataSet.byteArray.subarray(start, start + frameBytes), bitsAllocated, littleEndian };
  }
}

/**
 * The encoded bytes of each frame. A frame may lie in several fragments (PS3.5 Annex A.4); where the Basic Offset
 * Table does not tell which, a new frame begins with each start of a codestream.
 */
function encapsulatedFrames(
  dataSet: DataSet,
  element: Element,
  { frames }: PixelLayout,
  path: string,
): Uint8Array[] {
  const table = element.basicOffsetTable ?? [];
  const fragments = (element.fragments ?? []).map(({ offset, position, length }) => {
    if (position + length > dataSet.byteArray.length)
      throw truncated(path, 'a fragment of pixels is cut off');
    return { offset, bytes: dataSet.byteArray.subarray(position, position + length) };
  });
  const groups: Uint8Array[][] = [];
  fragments.forEach(({ offset, bytes }, index) => {
    const starts =
      fragments.length === frames ||
      (table.length === frames ? table.includes(offset) : frames > 1 && startsCodestream(bytes));
    if (index === 0 || starts) groups.push([bytes]);
    else groups.at(-1)!.push(bytes);
  });
  if (groups.length !== frames) {
    throw new SpinegradError(
      'ERR_DICOM_DECODE',
      `${path}: its ${fragments.length} fragments make up ${groups.length} frames, expected ${frames}`,
    );
  }
  return groups.map((parts) => (parts.length === 1 ? parts[0]! : Buffer.concat(parts)));
}

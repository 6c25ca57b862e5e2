/**
 * The image size in the markers of a compressed frame. It is checked before decoding, because a codec allocates the
 * size that the codestream states.
 */

export interface CodestreamSize {
  width: number;
  height: number;
  components: number;
  /** JPEG 2000 only; Annex A.5.1 of ISO 15444-1 allows at most 65535. */
  tiles: number;
}

const START_OF_CODESTREAM = [0xff, 0x4f, 0xff, 0x51];

/** Image size of a JPEG, JPEG-LS, JPEG 2000 or HTJ2K codestream; null if there is no size. */
export function codestreamSize(bytes: Uint8Array): CodestreamSize | null {
  return bytes[0] === 0xff && bytes[1] === 0xd8 ? jpegSize(bytes) : jpeg2000Size(bytes);
}

/** Whether a fragment begins with the SOI marker of JPEG or the SOC marker of JPEG 2000. */
export function startsCodestream(bytes: Uint8Array): boolean {
  return bytes[0] === 0xff && (bytes[1] === 0xd8 || bytes[1] === 0x4f);
}

/** Reads the frame header: any SOF of ISO 10918-1, or SOF55 of JPEG-LS (ISO 14495-1). */
function jpegSize(bytes: Uint8Array): CodestreamSize | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 2;
  while (at + 10 <= bytes.length && bytes[at] === 0xff) {
    const marker = bytes[at + 1]!;
    if (marker === 0xff) {
      at += 1;
      continue;
    }
    const isTable = marker === 0xc4 || marker === 0xc8 || marker === 0xcc;
    if ((marker >= 0xc0 && marker <= 0xcf && !isTable) || marker === 0xf7) {
      const [height, width] = [view.getUint16(at + 5), view.getUint16(at + 7)];
      return { width, height, components: bytes[at + 9]!, tiles: 1 };
    }
    at += 2 + view.getUint16(at + 2);
  }
  return null;
}

/** Finds and reads the SIZ marker segment. Some writers wrap the codestream in the boxes of a JP2 file. */
function jpeg2000Size(bytes: Uint8Array): CodestreamSize | null {
  const start = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).indexOf(
    Buffer.from(START_OF_CODESTREAM),
  );
  if (start < 0 || start + 42 > bytes.length) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset + start, bytes.byteLength - start);
  const field = (index: number) => view.getUint32(8 + 4 * index);
  const [right, bottom, left, top] = [field(0), field(1), field(2), field(3)];
  const [tileWidth, tileHeight, tileLeft, tileTop] = [field(4), field(5), field(6), field(7)];
  const tiles = Math.ceil((right - tileLeft) / tileWidth) * Math.ceil((bottom - tileTop) / tileHeight);
  return { width: right - left, height: bottom - top, components: view.getUint16(40), tiles };
}

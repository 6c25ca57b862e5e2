import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import codecs from 'dcmjs-codecs';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { parseDicom, readDicom, readHeader } from '#spinegrad/dicom/read.js';
import { intensityWindow } from '#spinegrad/dicom/window.js';
import {
  buildDicom,
  dataSet,
  type Elements,
  EXPLICIT,
  encapsulated,
  imageElements,
  us,
  usBig,
} from './build.js';
import { type Encoder, encodeFrame } from './encode.js';

const { NativeCodecs } = codecs;

const pixelsOf = async (file: Buffer, frame = 0) => [
  ...(await parseDicom(file, 'x.dcm')).frames[frame]!.pixels,
];

describe('stored values', () => {
  it.each([
    ['unsigned 16 of 16', { bits: 16, high: 15, signed: 0 }, [0, 1, 65535, 32768]],
    ['signed 16 of 16', { bits: 16, high: 15, signed: 1 }, [0, 1, -1, -32768]],
    ['unsigned 12 of 16, overlay bits masked', { bits: 12, high: 11, signed: 0 }, [0, 1, 4095, 0]],
    ['signed 12 of 16', { bits: 12, high: 11, signed: 1 }, [0, 1, -1, 0]],
    ['12 bits with High Bit 15', { bits: 12, high: 15, signed: 0 }, [0, 0, 4095, 2048]],
  ])('have the range of the format: %s', async (_, { bits, high, signed }, expected) => {
    const file = buildDicom(
      imageElements(2, 2, us(0, 1, 0xffff, 0x8000), {
        '00280101': ['US', us(bits)],
        '00280102': ['US', us(high)],
        '00280103': ['US', us(signed)],
      }),
    );
    expect(await pixelsOf(file)).toEqual(expected);
  });

  it('can have cells of 8 bits', async () => {
    const eight: Elements = {
      '00280100': ['US', us(8)],
      '00280101': ['US', us(8)],
      '00280102': ['US', us(7)],
      '00280103': ['US', us(1)],
    };
    expect(await pixelsOf(buildDicom(imageElements(1, 3, Buffer.from([1, 127, 255]), eight)))).toEqual([
      1, 127, -1,
    ]);
  });

  it('are read from Explicit VR Big Endian files and files without preamble and File Meta Information', async () => {
    const big = imageElements(1, 2, usBig(258, 3));
    for (const [tag, [vr, value]] of Object.entries(big)) {
      if (vr === 'US') big[tag] = [vr, Buffer.from(value as Buffer).swap16()];
    }
    const options = { transferSyntax: '1.2.840.10008.1.2.2', bigEndian: true };
    expect(await pixelsOf(buildDicom(big, options))).toEqual([258, 3]);
    expect(await pixelsOf(buildDicom(big, { ...options, meta: false }))).toEqual([258, 3]);
    expect(await pixelsOf(buildDicom(imageElements(1, 2, us(258, 3)), { meta: false }))).toEqual([258, 3]);
  });
});

describe('modality values', () => {
  it('are slope * stored value + intercept', async () => {
    const rescale: Elements = { '00281052': ['DS', '-10'], '00281053': ['DS', '2.5'] };
    expect(await pixelsOf(buildDicom(imageElements(1, 2, us(0, 4), rescale)))).toEqual([-10, 0]);
  });

  it('of MONOCHROME1 are inverted within their range unless invertMonochrome1 is false', async () => {
    const elements = imageElements(1, 3, us(0, 1, 4095), {
      '00280004': ['CS', 'MONOCHROME1'],
      '00280101': ['US', us(12)],
      '00280102': ['US', us(11)],
      '00281052': ['DS', '1'],
      '00281053': ['DS', '2'],
    });
    const file = buildDicom(elements);
    expect(await pixelsOf(file)).toEqual([8191, 8189, 1]);
    const original = await parseDicom(file, 'x.dcm', { invertMonochrome1: false });
    expect([...original.frames[0]!.pixels]).toEqual([1, 3, 8191]);
  });

  it('come from the Modality LUT, whose first and last entries extend to both sides', async () => {
    const lut = dataSet({ '00283002': ['US', us(3, 10, 16)], '00283006': ['US', us(100, 200, 400)] });
    const file = buildDicom(imageElements(1, 4, us(0, 10, 11, 50), { '00283000': ['SQ', [lut]] }));
    expect(await pixelsOf(file)).toEqual([100, 100, 200, 400]);
  });

  it.each([
    ['unsigned', {}],
    ['signed', { '00280103': ['US', us(1)] }],
    ['negative slope', { '00281052': ['DS', '7'], '00281053': ['DS', '-0.5'] }],
    ['MONOCHROME1', { '00280004': ['CS', 'MONOCHROME1'] }],
  ] satisfies [string, Elements][])(
    'have the window that intensityWindow computes: %s',
    async (_, elements) => {
      const cells = us(...Array.from({ length: 400 }, (_, i) => (i * 40503) % 65536));
      const [frame] = (await parseDicom(buildDicom(imageElements(20, 20, cells, elements)), 'x.dcm')).frames;
      expect(frame!.window).toEqual(intensityWindow(Float32Array.from(frame!.pixels)));
      expect(frame!.window.high - frame!.window.low).toBeGreaterThan(30_000);
    },
  );

  it('have a window that does not depend on previous images', async () => {
    const images = fc.array(fc.array(fc.nat(2 ** 16 - 1), { minLength: 1, maxLength: 30 }), { maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(images, fc.constantFrom(0, 4, 12), fc.nat(1), async (arrays, shift, sign) => {
        for (const cells of arrays.map((values) => values.map((value) => value >> shift))) {
          const elements = imageElements(1, cells.length, us(...cells), { '00280103': ['US', us(sign)] });
          const [frame] = (await parseDicom(buildDicom(elements), 'x.dcm')).frames;
          expect([...frame!.pixels]).toEqual(cells.map((cell) => (sign ? (cell << 16) >> 16 : cell)));
          expect(frame!.window).toEqual(intensityWindow(Float32Array.from(frame!.pixels)));
        }
      }),
    );
  });

  it('of enhanced multi-frame files use rescale and geometry of the functional groups', async () => {
    const shared = dataSet({
      '00209116': ['SQ', [dataSet({ '00200037': ['DS', '0\\1\\0\\0\\0\\-1'] })]],
      '00289110': ['SQ', [dataSet({ '00180088': ['DS', '4.4'], '00280030': ['DS', '0.7\\0.8'] })]],
    });
    const frame = (slope: string, x: string) =>
      dataSet({
        '00209113': ['SQ', [dataSet({ '00200032': ['DS', `${x}\\0\\0`] })]],
        '00289145': ['SQ', [dataSet({ '00281052': ['DS', '0'], '00281053': ['DS', slope] })]],
      });
    const {
      '00200032': _,
      '00200037': __,
      '00280030': ___,
      ...elements
    } = imageElements(1, 2, us(1, 2, 3, 4));
    const image = await parseDicom(
      buildDicom({
        ...elements,
        '00280008': ['IS', '2'],
        '52009229': ['SQ', [shared]],
        '52009230': ['SQ', [frame('1', '0'), frame('10', '4.4')]],
      }),
      'x.dcm',
    );
    expect(image.frames.map(({ pixels }) => [...pixels])).toEqual([
      [1, 2],
      [30, 40],
    ]);
    expect(image.frames.map(({ geometry }) => geometry?.position)).toEqual([
      [0, 0, 0],
      [4.4, 0, 0],
    ]);
    expect(image).toMatchObject({ pixelSpacing: [0.7, 0.8], sliceSpacing: 4.4 });
  });
});

describe('compressed frames', () => {
  const [rows, columns] = [16, 12];
  const frames = [0, 1].map((frame) =>
    Uint16Array.from({ length: rows * columns }, (_, i) => (i * 37 + frame * 1000) % 4096),
  );

  beforeAll(() => NativeCodecs.initializeAsync());

  const encode = (pixels: Uint16Array, run: Encoder): Buffer =>
    encodeFrame(rows, columns, new Uint8Array(pixels.buffer), run);

  const file = (transferSyntax: string, pixelData: Buffer, count: number) =>
    buildDicom(
      imageElements(rows, columns, Buffer.alloc(0), {
        '00280008': ['IS', String(count)],
        '7FE00010': ['OB', pixelData],
      }),
      { transferSyntax },
    );

  it.each([
    ['RLE', '1.2.840.10008.1.2.5', (c) => NativeCodecs.encodeRle(c)],
    ['JPEG lossless', '1.2.840.10008.1.2.4.70', (c) => NativeCodecs.encodeJpeg(c)],
    ['JPEG-LS', '1.2.840.10008.1.2.4.80', (c) => NativeCodecs.encodeJpegLs(c)],
    ['JPEG 2000', '1.2.840.10008.1.2.4.90', (c) => NativeCodecs.encodeJpeg2000(c)],
    ['HTJ2K', '1.2.840.10008.1.2.4.201', (c) => NativeCodecs.encodeHtJpeg2000(c)],
  ] as [string, string, Encoder][])('are decoded without loss: %s', async (_, transferSyntax, run) => {
    const image = await parseDicom(
      file(transferSyntax, encapsulated(frames.map((pixels) => encode(pixels, run))), 2),
      'x.dcm',
    );
    expect(image.frames.map(({ pixels }) => [...pixels])).toEqual(frames.map((pixels) => [...pixels]));
  });

  it('can have several fragments, no Basic Offset Table and no Sequence Delimitation Item', async () => {
    const [a, b] = frames.map((pixels) => encode(pixels, (context) => NativeCodecs.encodeJpegLs(context)));
    const even = Math.floor(a!.length / 4) * 2;
    const parts = [a!.subarray(0, even), a!.subarray(even), b!];
    const second = even + 8 + (a!.length - even) + ((a!.length - even) % 2) + 8;
    for (const pixelData of [
      encapsulated(parts),
      encapsulated(parts, [0, second]),
      encapsulated(parts, [0, second], false),
    ]) {
      const image = await parseDicom(file('1.2.840.10008.1.2.4.80', pixelData, 2), 'x.dcm');
      expect(image.frames.map(({ pixels }) => [...pixels])).toEqual(frames.map((pixels) => [...pixels]));
    }
  });

  it('with another size than the header throw ERR_DICOM_DECODE', async () => {
    const encoded = encode(frames[0]!, (context) => NativeCodecs.encodeJpegLs(context));
    const elements = imageElements(rows + 1, columns, Buffer.alloc(0), {
      '7FE00010': ['OB', encapsulated([encoded])],
    });
    await expect(
      parseDicom(buildDicom(elements, { transferSyntax: '1.2.840.10008.1.2.4.80' }), 'x.dcm'),
    ).rejects.toMatchObject({
      code: 'ERR_DICOM_DECODE',
      message: expect.stringContaining('expected 1 x 17 x 12'),
    });
  });
});

describe('unsupported images', () => {
  it.each<[string, string, Elements]>([
    ['colour', 'ERR_DICOM_UNSUPPORTED', { '00280002': ['US', us(3)], '00280004': ['CS', 'RGB'] }],
    ['32 bits', 'ERR_DICOM_UNSUPPORTED', { '00280100': ['US', us(32)] }],
    ['bits that do not fit into the cell', 'ERR_DICOM_UNSUPPORTED', { '00280102': ['US', us(3)] }],
    ['no rows', 'ERR_DICOM_NO_PIXELS', { '00280010': ['US', us(0)] }],
    ['more rows than data', 'ERR_DICOM_TRUNCATED', { '00280010': ['US', us(4000)] }],
    ['more frames than data', 'ERR_DICOM_TRUNCATED', { '00280008': ['IS', '999'] }],
    ['more rows than the limit', 'ERR_IMAGE_LIMIT', { '00280010': ['US', us(60000)] }],
  ])('throw an error with a code: %s', async (_, code, more) => {
    const file = buildDicom(imageElements(1, 2, us(1, 2), more));
    await expect(parseDicom(file, 'x.dcm')).rejects.toMatchObject({
      name: 'SpinegradError',
      code,
      message: expect.stringMatching(/^x\.dcm: /),
    });
  });

  it('throw an error that names an unknown transfer syntax', async () => {
    const elements = imageElements(1, 2, Buffer.alloc(0), { '7FE00010': ['OB', encapsulated([us(1, 2)])] });
    await expect(
      parseDicom(buildDicom(elements, { transferSyntax: '1.2.3' }), 'x.dcm'),
    ).rejects.toMatchObject({
      code: 'ERR_DICOM_UNSUPPORTED',
      message: expect.stringContaining('1.2.3'),
    });
  });
});

describe('files', () => {
  it('have a header that can be longer than the first read', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'spinegrad-'));
    for (const padding of [0, 200_000]) {
      const path = join(folder, `${padding}.dcm`);
      const more: Elements = { '00091001': ['OB', Buffer.alloc(padding)] };
      await writeFile(path, buildDicom(imageElements(1, 2, us(1, 2), more)));
      expect(await readHeader(path)).toMatchObject({
        path,
        transferSyntax: EXPLICIT,
        hasPixelData: true,
        rows: 1,
        columns: 2,
        instanceNumber: 7,
        pixelSpacing: [0.5, 0.6],
        geometry: { rowDirection: [0, 1, 0], columnDirection: [0, 0, -1], position: [10, -100, 80] },
      });
    }
  });

  it('throw ERR_FILE_NOT_FOUND if missing and ERR_FILE_READ for a folder', async () => {
    await expect(readDicom('/no/such.dcm')).rejects.toMatchObject({ code: 'ERR_FILE_NOT_FOUND' });
    await expect(readHeader(tmpdir())).rejects.toMatchObject({ code: 'ERR_FILE_READ' });
  });
});

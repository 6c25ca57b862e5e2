/** Any bytes give an image or a SpinegradError that names the file, within bounded time and memory. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import codecs from 'dcmjs-codecs';
import fc from 'fast-check';
import { beforeAll, expect, it } from 'vitest';
import { parseDicom, parseHeader } from '#spinegrad/dicom/read.js';
import { SpinegradError } from '#spinegrad/error.js';
import { buildDicom, dataSet, encapsulated, imageElements, us } from './build.js';
import { encodeFrame } from './encode.js';

const { NativeCodecs } = codecs;

const pixels = us(...Array.from({ length: 256 }, (_, i) => i * 7));
const files: Buffer[] = [
  buildDicom(imageElements(16, 16, pixels)),
  buildDicom({
    ...imageElements(16, 16, pixels),
    '52009229': ['SQ', [dataSet({ '00209113': ['SQ', [dataSet({ '00200032': ['DS', '1\\2\\3'] })]] })]],
  }),
  buildDicom(imageElements(16, 16, pixels), { meta: false }),
];

beforeAll(async () => {
  await NativeCodecs.initializeAsync();
  const encoders = {
    '1.2.840.10008.1.2.5': NativeCodecs.encodeRle,
    '1.2.840.10008.1.2.4.70': NativeCodecs.encodeJpeg,
    '1.2.840.10008.1.2.4.80': NativeCodecs.encodeJpegLs,
    '1.2.840.10008.1.2.4.90': NativeCodecs.encodeJpeg2000,
    '1.2.840.10008.1.2.4.201': NativeCodecs.encodeHtJpeg2000,
  };
  for (const [transferSyntax, encode] of Object.entries(encoders)) {
    const encoded = encodeFrame(16, 16, new Uint8Array(pixels), encode.bind(NativeCodecs));
    const elements = imageElements(16, 16, Buffer.alloc(0), { '7FE00010': ['OB', encapsulated([encoded])] });
    files.push(buildDicom(elements, { transferSyntax }));
  }
});

async function expectImageOrError(bytes: Buffer): Promise<void> {
  for (const read of [async () => parseHeader(bytes, 'x.dcm'), () => parseDicom(bytes, 'x.dcm')]) {
    try {
      await read();
    } catch (error) {
      expect(error).toBeInstanceOf(SpinegradError);
      expect((error as SpinegradError).message).toMatch(/^x\.dcm: \P{Cc}+$/u);
    }
  }
}

it('reads the undamaged files of this test', async () => {
  for (const file of files) expect((await parseDicom(file, 'x.dcm')).frames[0]!.pixels[9]).toBe(63);
});

it('removes control characters of the file from the message', async () => {
  const elements = imageElements(16, 16, pixels, { '7FE00010': ['OB', encapsulated([pixels])] });
  const bytes = buildDicom(elements, { transferSyntax: '1.2.840\n\u001b[31m' });
  await expect(parseDicom(bytes, 'x.dcm')).rejects.toThrow(/^x\.dcm: \P{Cc}+$/u);
});

it('survives changed bytes', async () => {
  const change = fc.tuple(fc.double({ min: 0, max: 0.999, noNaN: true }), fc.integer({ min: 0, max: 255 }));
  await fc.assert(
    fc.asyncProperty(fc.nat(7), fc.array(change, { minLength: 1, maxLength: 6 }), async (index, changes) => {
      const bytes = Buffer.from(files[index]!);
      const start = bytes.indexOf('DICM') < 0 ? 0 : 132;
      for (const [at, value] of changes) bytes[start + Math.floor(at * (bytes.length - start))] = value;
      await expectImageOrError(bytes);
    }),
    { numRuns: 400, seed: 1 },
  );
});

const testData = process.env.SPINEGRAD_TEST_DATA;

it.skipIf(testData === undefined)('survives changed bytes in real files', async () => {
  const real = ['spine-dicom', 'dicom-odd', 'dicom-transfer-syntaxes'].flatMap((folder) =>
    readdirSync(join(testData!, folder))
      .filter((name) => name.endsWith('.dcm'))
      .map((name) => readFileSync(join(testData!, folder, name))),
  );
  const position = fc.oneof(fc.nat(2999), fc.nat());
  const change = fc.tuple(position, fc.integer({ min: 0, max: 255 }));
  const changes = fc.array(change, { minLength: 1, maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(fc.nat(real.length - 1), changes, async (index, list) => {
      const bytes = Buffer.from(real[index]!);
      for (const [at, value] of list) bytes[at % bytes.length] = value;
      await expectImageOrError(bytes);
    }),
    { numRuns: 300, seed: 1 },
  );
});

it('survives truncation at every byte', async () => {
  const file = files[1]!;
  for (let length = 0; length < file.length; length += length < 900 ? 1 : 37) {
    const cut = file.subarray(0, length);
    await expect(parseDicom(cut, 'x.dcm')).rejects.toMatchObject({
      code: expect.stringMatching(/^ERR_DICOM_(NOT_DICOM|TRUNCATED|NO_PIXELS)$/),
    });
  }
});

it('survives truncated codestreams', async () => {
  for (const file of files.slice(3)) {
    for (const cut of [1, 10, 40, 100]) await expectImageOrError(file.subarray(0, file.length - cut));
  }
});

it('survives random bytes, with and without a preamble', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 600 }), fc.boolean(), async (random, preamble) => {
      const head = preamble ? [Buffer.alloc(128), Buffer.from('DICM')] : [];
      await expectImageOrError(Buffer.concat([...head, random]));
    }),
    { numRuns: 300, seed: 1 },
  );
});

it('survives 3000 nested sequences', async () => {
  let nested = dataSet({ '00080060': ['CS', 'MR'] });
  for (let depth = 0; depth < 3000; depth++) nested = dataSet({ '00081140': ['SQ', [nested]] });
  await expectImageOrError(buildDicom({ '00081140': ['SQ', [nested]] }));
});

it('decodes good files correctly while damaged files fail', async () => {
  const good = files.slice(3);
  const bad = good.map((file) => file.subarray(0, file.length - 60));
  const results = await Promise.allSettled(
    [...bad, ...good, ...bad, ...good].map((file) => parseDicom(file, 'x.dcm')),
  );
  const goodResults = results.filter((_, index) => index % (2 * good.length) >= good.length);
  for (const result of goodResults)
    expect(result.status === 'fulfilled' && result.value.frames[0]!.pixels[9]).toBe(63);
});

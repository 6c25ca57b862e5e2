/** Synthetic DICOM files to read: the phantom's, as they are and recompressed. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, join } from 'node:path';
import codecs from 'dcmjs-codecs';
import { generatePhantom } from '#spinegrad/phantom/generate.js';

const JPEG_2000_LOSSLESS = '1.2.840.10008.1.2.4.90';

/** Paths, one a line. */
export async function dicomFiles(folder: string): Promise<Record<string, string>> {
  const out = join(folder, 'phantom');
  await generatePhantom({ out, studies: 2, seed: 1, prevalence: 'enriched', slices: 5 });
  const plain = readdirSync(out, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.dcm'))
    .sort()
    .map((path) => join(out, path));
  quieten();
  await codecs.NativeCodecs.initializeAsync();
  mkdirSync(join(folder, 'jpeg2000'));
  const compressed = plain.map((path, index) => {
    const bytes = readFileSync(path);
    const transcoder = new codecs.Transcoder(
      bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer,
    );
    transcoder.transcode(JPEG_2000_LOSSLESS);
    const copy = join(folder, 'jpeg2000', `${index}-${basename(path)}`);
    writeFileSync(copy, new Uint8Array(transcoder.getDicomPart10()));
    return copy;
  });
  return { uncompressed: plain.join('\n'), 'JPEG 2000': compressed.join('\n') };
}

/** The codecs' own dcmjs tells of tags that may be of two kinds, for every file. */
function quieten(): void {
  const load = createRequire(createRequire(import.meta.url).resolve('dcmjs-codecs'));
  codecs.log.setLevel('silent', false);
  load('dcmjs').log.getLogger('validation.dcmjs').setLevel('silent', false);
}

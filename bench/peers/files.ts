/** Synthetic DICOM files of the phantom, uncompressed and recompressed as JPEG 2000. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, join } from 'node:path';
import codecs from 'dcmjs-codecs';
import { generatePhantom } from '#spinegrad/phantom/generate.js';

const JPEG_2000_LOSSLESS = '1.2.840.10008.1.2.4.90';

/** Returns the paths by encoding, one per line. */
export async function dicomFiles(folder: string): Promise<Record<string, string>> {
  const out = join(folder, 'phantom');
  await generatePhantom({ out, studies: 2, seed: 1, prevalence: 'enriched', slices: 5 });
  const uncompressed = readdirSync(out, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.dcm'))
    .sort()
    .map((path) => join(out, path));
  silenceCodecs();
  await codecs.NativeCodecs.initializeAsync();
  mkdirSync(join(folder, 'jpeg2000'));
  const compressed = uncompressed.map((path, index) => {
    const bytes = readFileSync(path);
    const transcoder = new codecs.Transcoder(
      bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer,
    );
    transcoder.transcode(JPEG_2000_LOSSLESS);
    const copy = join(folder, 'jpeg2000', `${index}-${basename(path)}`);
    writeFileSync(copy, new Uint8Array(transcoder.getDicomPart10()));
    return copy;
  });
  return { uncompressed: uncompressed.join('\n'), 'JPEG 2000': compressed.join('\n') };
}

/** dcmjs-codecs has its own dcmjs, which logs ambiguous value representations for each file. */
function silenceCodecs(): void {
  const load = createRequire(createRequire(import.meta.url).resolve('dcmjs-codecs'));
  codecs.log.setLevel('silent', false);
  load('dcmjs').log.getLogger('validation.dcmjs').setLevel('silent', false);
}

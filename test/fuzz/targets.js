/** The readers that are fuzzed, by the name of their folder in the corpus (corpus.ts). */
import { basename, dirname, join } from 'node:path';
import {
  crc32,
  deflateRawSync,
  deflateSync,
  gunzipSync,
  gzipSync,
  inflateRawSync,
  inflateSync,
} from 'node:zlib';
import { z } from 'zod';
import { readBank } from '#spinegrad/data/bank.js';
import { readDataset } from '#spinegrad/data/dataset.js';
import { readMha } from '#spinegrad/data/mha.js';
import { readNifti } from '#spinegrad/data/nifti.js';
import { readPng } from '#spinegrad/data/png.js';
import { DicomPool } from '#spinegrad/dicom/pool.js';
import { readDicom, readHeader } from '#spinegrad/dicom/read.js';
import { openDevice } from '#spinegrad/engine/openDevice.js';
import { readCalibration } from '#spinegrad/evaluation/calibrationFile.js';
import { readLocalization } from '#spinegrad/evaluation/localizationFile.js';
import { readPredictions } from '#spinegrad/evaluation/predictionsFile.js';
import { readCsv } from '#spinegrad/io/csv.js';
import { readSafetensors } from '#spinegrad/io/safetensors.js';
import { hashOfModel } from '#spinegrad/model/description.js';
import { readModel } from '#spinegrad/model/readModel.js';
import { importResNet } from '#spinegrad/nn/importResNet.js';
import { resnet18 } from '#spinegrad/nn/resnet.js';
import { PredictionFolder } from '#spinegrad/predict/predictionFolder.js';
import { RandomStream } from '#spinegrad/random.js';
import { readStudyCalibration } from '#spinegrad/study/calibrationFile.js';
import { cellCurve } from '#spinegrad/study/cellCurve.js';
import { readTestCrops } from '#spinegrad/study/cropsFile.js';
import { readCurves } from '#spinegrad/study/curvesFile.js';
import { readEmbeddings } from '#spinegrad/study/embeddingsFile.js';
import { readGroups } from '#spinegrad/study/groupsFile.js';
import { readPlanFile } from '#spinegrad/study/plan.js';
import { readStudyPredictions } from '#spinegrad/study/predictionsFile.js';
import { readFailure, readResult } from '#spinegrad/study/results.js';
import { readSearched } from '#spinegrad/study/searched.js';
import { readStudy } from '#spinegrad/study/study.js';
import { CheckpointStore } from '#spinegrad/training/checkpoint.js';
import { readIdentity } from '#spinegrad/training/runFolder.js';

/**
 * A reader and its files.
 *
 * @typedef {object} Target
 * @property {(path: string) => unknown} read reads the file that was changed
 * @property {RegExp} [files] those that are changed; default: all
 * @property {boolean} [isText] whether mutations replace text
 * @property {(bytes: Buffer, change: (bytes: Buffer, isText?: boolean) => Buffer) => Buffer} [within] applies a change inside of a packed file, or
 *   repairs a checksum after it, so that it is not refused before it is parsed
 */

/** The JPEG-LS decoder can take very long for a damaged frame, so commands read it in threads with a time limit. */
const pool = new DicomPool({ size: 1, timeoutMs: 3000 });

/** Of the slices that `searched.json` names. */
const RECORD = { studyId: '1', series: 'T2', file: 'a.png', discs: [], toImage: [1, 0, 0, 0, 1, 0] };
const MANIFEST = { slices: [{ ...RECORD, pixelSpacing: [1, 1], found: false }] };

/** @type {Record<string, Target>} */
export const TARGETS = {
  dicom: {
    read: async (path) => {
      await readHeader(path).catch(() => {});
      await (basename(path) === 'jpeg-ls.dcm' ? pool.read(path) : readDicom(path));
    },
    within: inDeflatedDataSet,
  },
  mha: { read: readMha, within: inHeader },
  nifti: { read: readNifti, within: inGzip },
  png: { read: (path) => readPng(path, null), within: inPng },
  csv: { read: (path) => readCsv(path, []), isText: true },
  // Three tables of RSNA, the gradings of SPIDER, discs.csv and tasks.json.
  tables: { read: (path) => readDataset(dirname(path)), files: /\.(csv|json)$/, isText: true },
  safetensors: { read: readSafetensors, within: inSafetensors },
  checkpoint: {
    read: (path) =>
      new CheckpointStore(join(dirname(path), '..'), { config: 'c', data: 'd' }).read(
        'stage',
        z.looseObject({}),
      ),
    within: inSafetensors,
  },
  model: {
    read: (path) => readModel(dirname(path)),
    files: /model\.json$/,
    isText: true,
    within: inModel,
  },
  bank: {
    read: (path) => readBank(dirname(path)),
    files: /(json|safetensors)$/,
    isText: true,
    within: inSafetensors,
  },
  study: { read: (path) => readStudy(dirname(path)), isText: true },
  run: { read: (path) => readIdentity(dirname(path)), isText: true },
  result: { read: (path) => readResult({ dir: dirname(path) }), isText: true },
  failure: { read: (path) => readFailure({ dir: dirname(path) }), isText: true },
  planFile: { read: readPlanFile, isText: true },
  searched: { read: (path) => readSearched(dirname(path), MANIFEST), isText: true },
  crops: { read: (path) => readTestCrops(dirname(path)), within: inSafetensors },
  curve: { read: (path) => cellCurve({}, 'scratch', dirname(path)), isText: true, within: inLines },
  curves: { read: readCurves, isText: true },
  embeddings: { read: (path) => readEmbeddings(dirname(path)), within: inSafetensors },
  encoder: { read: readEncoder, within: inSafetensors },
  // The folder of `predict --out`.
  many: { read: readMany, files: /jsonl?$/, isText: true, within: inLines },
  predictions: { read: readPredictions, isText: true },
  localization: { read: readLocalization, isText: true },
  calibration: { read: readCalibration, isText: true },
  studyPredictions: { read: readStudyPredictions, isText: true },
  studyCalibration: { read: readStudyCalibration, isText: true },
  groups: { read: readGroups, isText: true },
};

/** The network whose weights are in the corpus; made when it is needed. */
let encoder;
async function readEncoder(path) {
  encoder ??= resnet18(
    { device: await openDevice('cpu', { threads: 1 }), random: new RandomStream(1) },
    { width: 1 },
  );
  return importResNet(encoder, await readSafetensors(path), path);
}

async function readMany(path) {
  const model = { description: { sha256: '0' }, folder: 'model', arms: [{ name: 'scratch' }] };
  const folder = await PredictionFolder.open(dirname(path), model, { index: 1, count: 2 });
  await folder.writeGrades();
}

/** Each line of a file. */
function inLines(bytes, change) {
  const lines = bytes.toString('utf8').trimEnd().split('\n');
  return Buffer.concat(
    lines.map((line) => Buffer.concat([change(Buffer.from(line), true), Buffer.from('\n')])),
  );
}

/** The header of a MetaImage file. */
function inHeader(bytes, change) {
  const end = bytes.indexOf('ElementDataFile');
  return Buffer.concat([change(bytes.subarray(0, end), true), bytes.subarray(end)]);
}

function inGzip(bytes, change) {
  return bytes[0] === 0x1f ? gzipSync(change(gunzipSync(bytes)), { level: 1 }) : change(bytes);
}

/** The data set after the File Meta Information of the corpus, which is a Transfer Syntax UID alone. */
function inDeflatedDataSet(bytes, change) {
  const at = 132 + 8 + bytes.readUInt16LE(138);
  if (!bytes.includes('1.2.840.10008.1.2.1.99')) return change(bytes);
  return Buffer.concat([bytes.subarray(0, at), deflateRawSync(change(inflateRawSync(bytes.subarray(at))))]);
}

/** One chunk, or the pixels if it is IDAT; its length and checksum fit then. */
function inPng(bytes, change) {
  const chunks = [];
  for (let at = 8; at < bytes.length; at += 12 + bytes.readUInt32BE(at)) {
    chunks.push([
      bytes.toString('latin1', at + 4, at + 8),
      bytes.subarray(at + 8, at + 8 + bytes.readUInt32BE(at)),
    ]);
  }
  const parts = chunks.map(([type, data]) => {
    const changed =
      type === 'IDAT' ? deflateSync(change(inflateSync(data))) : type === 'IEND' ? data : change(data);
    const body = Buffer.concat([Buffer.from(type, 'latin1'), changed]);
    const [length, checksum] = [Buffer.alloc(4), Buffer.alloc(4)];
    length.writeUInt32BE(changed.length);
    checksum.writeUInt32BE(crc32(body));
    return Buffer.concat([length, body, checksum]);
  });
  return Buffer.concat([bytes.subarray(0, 8), ...parts]);
}

/** model.json; the hash of the other keys fits then. */
function inModel(bytes, change) {
  const changed = change(bytes, true);
  try {
    const model = JSON.parse(changed);
    return Buffer.from(JSON.stringify({ ...model, sha256: hashOfModel(model) }));
  } catch {
    return changed;
  }
}

/** The header of a safetensors file; its length fits then. */
function inSafetensors(bytes, change) {
  if (bytes[8] !== 0x7b) return change(bytes);
  const end = 8 + Number(bytes.readBigUInt64LE());
  const header = change(bytes.subarray(8, end), true);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  return Buffer.concat([length, header, bytes.subarray(end)]);
}

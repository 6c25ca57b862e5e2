/** Small valid files of each target (targets.js), from which mutations are made. */
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import codecs from 'dcmjs-codecs';
import { prepareBank } from '#spinegrad/data/bank.js';
import { openDevice } from '#spinegrad/engine/openDevice.js';
import { formatCalibration } from '#spinegrad/evaluation/calibrationFile.js';
import { formatLocalization } from '#spinegrad/evaluation/localizationFile.js';
import { formatPredictions, type Prediction } from '#spinegrad/evaluation/predictionsFile.js';
import { provenance } from '#spinegrad/io/provenance.js';
import { writeSafetensors } from '#spinegrad/io/safetensors.js';
import { resnet18 } from '#spinegrad/nn/resnet.js';
import { valuesOf } from '#spinegrad/nn/values.js';
import { RandomStream } from '#spinegrad/random.js';
import { formatStudyCalibration } from '#spinegrad/study/calibrationFile.js';
import { writeCrops } from '#spinegrad/study/cropsFile.js';
import { formatCurves } from '#spinegrad/study/curvesFile.js';
import { writeEmbeddings } from '#spinegrad/study/embeddingsFile.js';
import { newPlan } from '#spinegrad/study/plan.js';
import { formatStudyPredictions } from '#spinegrad/study/predictionsFile.js';
import { writeFailure, writeResult } from '#spinegrad/study/results.js';
import { writeSearched } from '#spinegrad/study/searched.js';
import { CheckpointStore } from '#spinegrad/training/checkpoint.js';
import { writeIdentity } from '#spinegrad/training/runFolder.js';
import { tinyLayout } from '../data/layout.js';
import { encodeMha } from '../data/metaImage.js';
import { encodeNifti } from '../data/niftiFile.js';
import { encodePng } from '../data/pngFile.js';
import { buildDicom, dataSet, type Elements, encapsulated, imageElements, us } from '../dicom/build.js';
import { encodeFrame } from '../dicom/encode.js';
import { randomModel } from '../predict/models.js';
import { tinyConfig } from '../predict/tiny.js';
import { PFIRRMANN } from '../tasks/examples.js';

const { NativeCodecs } = codecs;

type Files = Record<string, Uint8Array | string>;

/** Writes a folder of files for each target. */
export async function writeCorpus(folder: string): Promise<void> {
  const files: Files = {
    ...(await dicomFiles()),
    ...imageFiles(),
    ...csvFiles(),
    ...tableFolders(),
    ...manyFiles(),
  };
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), content);
  }
  const rsna = await tinyLayout([{ studyId: '11' }, { studyId: '12' }]);
  await rename(rsna, join(folder, 'tables/rsna'));
  const roi = { size: 8, mode: 'mm', extentMm: 64, neighbours: 0 } as const;
  await prepareBank({ data: join(folder, 'tables/rsna'), out: join(folder, 'bank'), roi, sliceSize: 16 });
  await writeRuns(folder);
  await writeCell(folder);
  using device = await openDevice('cpu', { threads: 1 });
  await mkdir(join(folder, 'model'));
  await randomModel(device, join(folder, 'model'));
  const encoder = resnet18({ device, random: new RandomStream(1) }, { width: 1 });
  await writeSafetensors(join(folder, 'encoder/weights.safetensors'), await valuesOf(encoder.state()));
}

/** Uncompressed, deflated, without preamble, of two frames, and of each codec. */
async function dicomFiles(): Promise<Files> {
  const [rows, columns] = [16, 12];
  const pixels = us(...Array.from({ length: rows * columns }, (_, i) => i * 7));
  const image = imageElements(rows, columns, pixels);
  const plain = buildDicom(image);
  const head = buildDicom({}, { transferSyntax: '1.2.840.10008.1.2.1.99' });
  const group = dataSet({ '00209113': ['SQ', [dataSet({ '00200032': ['DS', '1\\2\\3'] })]] });
  const lut = dataSet({ '00283002': ['US', us(256, 0, 16)], '00283006': ['OW', Buffer.alloc(512, 3)] });
  const frames: Elements = {
    '00280008': ['IS', '2'],
    '52009229': ['SQ', [group]],
    '00283000': ['SQ', [lut]],
  };
  const files: Files = {
    'plain.dcm': plain,
    'headless.dcm': buildDicom(image, { meta: false }),
    'deflated.dcm': Buffer.concat([head, deflateRawSync(dataSet(image))]),
    'frames.dcm': buildDicom({ ...imageElements(rows, columns, Buffer.concat([pixels, pixels])), ...frames }),
  };
  await NativeCodecs.initializeAsync();
  const encoders = {
    rle: ['1.2.840.10008.1.2.5', NativeCodecs.encodeRle],
    jpeg: ['1.2.840.10008.1.2.4.70', NativeCodecs.encodeJpeg],
    'jpeg-ls': ['1.2.840.10008.1.2.4.80', NativeCodecs.encodeJpegLs],
    'jpeg-2000': ['1.2.840.10008.1.2.4.90', NativeCodecs.encodeJpeg2000],
    htj2k: ['1.2.840.10008.1.2.4.201', NativeCodecs.encodeHtJpeg2000],
  } as const;
  for (const [name, [transferSyntax, encode]] of Object.entries(encoders)) {
    const encoded = encodeFrame(rows, columns, new Uint8Array(pixels), encode.bind(NativeCodecs));
    const elements = imageElements(rows, columns, Buffer.alloc(0), {
      '7FE00010': ['OB', encapsulated([encoded])],
    });
    files[`${name}.dcm`] = buildDicom(elements, { transferSyntax });
  }
  return inFolder('dicom', files);
}

function imageFiles(): Files {
  const pixels = (bytes: number) => deflateSync(Buffer.alloc(bytes, 2));
  const volume = encodeNifti({ size: [3, 8, 8] });
  const values = Int16Array.from({ length: 192 }, (_, i) => i);
  return {
    ...inFolder('mha', {
      'raw.mha': encodeMha({ size: [8, 8, 3], values }),
      'packed.mha': encodeMha({ size: [8, 8, 3], values, compressed: true }),
      'float.mha': encodeMha({ size: [8, 8, 3], values: Float32Array.from(values), compressed: true }),
    }),
    ...inFolder('nifti', {
      'raw.nii': volume,
      'packed.nii.gz': gzipSync(volume),
      // 1 MB of zeros in 1 kB.
      'large.nii.gz': gzipSync(encodeNifti({ size: [2, 500, 500] }).fill(0, 352)),
    }),
    ...inFolder('png', {
      'grey.png': encodePng(9, 8, [['IDAT', pixels(80)]]),
      'deep.png': encodePng(9, 8, [['IDAT', pixels(152)]], { depth: 16 }),
      'colour.png': encodePng(9, 8, [['IDAT', pixels(224)]], { colour: 2 }),
      'palette.png': encodePng(
        9,
        8,
        [
          ['PLTE', Buffer.alloc(768, 7)],
          ['IDAT', pixels(80)],
        ],
        { colour: 3 },
      ),
      'interlaced.png': encodePng(9, 8, [['IDAT', pixels(87)]], { interlaced: true }),
      'large.png': encodePng(1000, 500, [['IDAT', pixels(500_500)]]),
    }),
  };
}

const DISCS = `study,image,series,level,x,y,slice,spacing,side,complete,found,pfirrman_grade
p1,a.png,T2,L5/S1,2,2.5,1,0.5,,true,,3
p1,"a.png",T2,L4/L5,1,1,1,0.5,,true,,5
p2,b.mha,T1,Th12/L1,1,1,2,0.5 x 0.6,,,false,
`;

/** A table of discs, its German form, one with its own tasks, and SPIDER; the RSNA layout is written by `tinyLayout`. */
function tableFolders(): Files {
  const png = encodePng(4, 3, [['IDAT', deflateSync(Buffer.alloc(15))]]);
  const images = { 'a.png': png, 'b.mha': encodeMha({ size: [4, 3, 2] }) };
  const german = DISCS.replaceAll(',', ';').replaceAll('.5', ',5');
  const own = DISCS.replace('pfirrman_grade', PFIRRMANN.column);
  const volume = encodeMha({ size: [4, 3, 2] });
  return {
    ...inFolder('tables/discs', { ...images, 'discs.csv': DISCS }),
    ...inFolder('tables/german', { ...images, 'discs.csv': `\ufeff${german.replaceAll('\n', '\r\n')}` }),
    ...inFolder('tables/own', { ...images, 'discs.csv': own, 'tasks.json': JSON.stringify([PFIRRMANN]) }),
    ...inFolder('tables/spider', {
      'images/1_t2.mha': volume,
      'masks/1_t2.mha': volume,
      'radiological_gradings.csv': 'Patient,IVD label,Pfirrman grade\n1,1,3\n1,2,5\n2,1,1\n',
    }),
  };
}

const CELL = { fold: 0, repeat: 1, labels: 0.5, arm: 'scratch' };

function csvFiles(): Files {
  const task = PFIRRMANN.id;
  const disc = { study: '=1', level: 'L4/L5', side: null, truth: 1 };
  const probabilities = [0.1, 0.2, 0.3, 0.25, 0.15];
  const trust = { temperature: 1.5, set: [1, 2], setCoverage: 0.9, novelty: 0.4 };
  const prediction: Prediction = {
    ...{ ...disc, task, arm: 'scratch', probabilities, trust, image: 'a, "b".png' },
    crops: 'predicted',
    centre: [10.5, 3],
    ...{ localizationMm: 1.25, levelProbability: 0.98, flags: ['level', 'place'] },
  };
  const located = {
    ...{ study: '1', series: 'T2', image: 'a.png', level: 'L4/L5', annotated: [1, 2], found: [1.5, 2] },
    ...{ errorPx: 0.5, errorMm: 0.25, nearestLevel: 'L4/L5', nearestMm: 0.25, probability: 0.9 },
    ...{ levelProbability: 0.99, flags: [] },
  } as const;
  const missed = { ...located, found: null, errorPx: null, errorMm: null, probability: null };
  const predictions = [prediction, { ...prediction, trust: undefined, side: 'left' } as const];
  const calibration = [
    { ...disc, task, probabilities },
    { ...disc, task, probabilities, side: 'right' } as const,
  ];
  const names = () => PFIRRMANN.grades.map(({ name }) => name);
  return {
    'csv/discs.csv': DISCS,
    'csv/quoted.csv': 'a;b\r\n"1;\n2";"x""y"\r\n\r\n3;4,5\n',
    'predictions/predictions.csv': formatPredictions(predictions, names),
    'studyPredictions/predictions.csv': formatStudyPredictions(
      predictions.map((line) => ({ ...line, ...CELL })),
      names,
    ),
    'localization/localization.csv': formatLocalization([{ ...located }, { ...missed }] as never),
    'calibration/calibration.csv': formatCalibration(calibration),
    'studyCalibration/calibration.csv': formatStudyCalibration(
      calibration.map((line) => ({ ...CELL, ...line })),
    ),
    'curves/curves.csv': formatCurves([{ ...CELL, epoch: 1, step: 20, balancedAccuracy: 0.5 }]),
    'groups/groups.csv': 'study,scanner,field_strength\n1,SIEMENS Avanto,1.5\n2,,\n',
    'groups/overview.csv':
      'new_file_name,Manufacturer,ManufacturerModelName,MagneticFieldStrength\n1_t2,Philips Medical,Ingenia,1.5\n',
  };
}

/** The folder of `predict --out` of two processes: a graded study and one that failed. */
function manyFiles(): Files {
  const image = { series: 'T2', file: 'a.png', instanceNumber: null, x: 1.5, y: 2 };
  const trust = { set: ['1', '2'], novelty: 0.4, doubtful: false };
  const probabilities = { '1': 0.7, '2': 0.3 };
  const grade = { task: PFIRRMANN.id, side: null, grade: '1', probabilities, ...trust, image };
  const graded = { input: '=1', doubtful: false, levels: [{ level: 'L4/L5', grades: [grade, grade] }] };
  const failed = { input: 'b', code: 'ERR_PNG', message: 'b: damaged' };
  return inFolder('many', {
    'predictions.json': `${JSON.stringify({ version: 1, model: '0', arm: 'scratch' })}\n`,
    'predictions-1-of-2.jsonl': `${JSON.stringify(graded)}\n`,
    'predictions-2-of-2.jsonl': `${JSON.stringify(failed)}\n${JSON.stringify({ ...graded, input: 'c' })}\n`,
  });
}

/** Files of the units of a study. */
async function writeCell(folder: string): Promise<void> {
  for (const name of ['failure', 'planFile', 'searched', 'crops', 'curve', 'encoder'])
    await mkdir(join(folder, name));
  await writeFailure({ dir: join(folder, 'failure'), id: 'cell' } as never, new Error('disk'));
  const settings = { encoder: { width: 8 } };
  const variants = { slow: { arm: 'scratch', settings: { finetuning: { epochs: 2 } } } };
  const plan = { data: '/data', folds: 3, labels: [0.5, 1], arms: ['scratch', 'slow'], settings, variants };
  await writeFile(join(folder, 'planFile/plan.json'), JSON.stringify(plan));
  const found = [{ level: 'L4/L5', point: [1, 2], probability: 0.9, levelProbability: 0.8 }] as const;
  const slices = [{ record: { row: 0 }, pitchMm: 36, found, doubts: [] }] as never;
  await writeSearched(join(folder, 'searched'), { validation: slices, test: slices });
  const place = { row: 0, image: 'a.png', centre: [1, 2], centreMm: null, localizationMm: 2 };
  const discs = [{ disc: { id: 3 }, ...place, levelProbability: 0.9, flags: [] }];
  const set = { discs, crops: { pixels: new Uint16Array(32), size: 4, discs: [[1, null]] } } as never;
  await writeCrops(join(folder, 'crops'), { validation: set, test: set });
  const row = { stage: 'finetuning-scratch', epoch: 1, validationBalancedAccuracy: 0.5 };
  const rows = [{ stage: 'localization', epoch: 1 }, row, { ...row, epoch: 2 }];
  await writeFile(
    join(folder, 'curve/metrics.jsonl'),
    rows.map((line) => `${JSON.stringify(line)}\n`).join(''),
  );
}

/** Checkpoint, weights, config.json of a run, and files of a study. */
async function writeRuns(folder: string): Promise<void> {
  const values = {
    weight: { shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) },
    counts: { shape: [2], data: Int32Array.of(1, 2) },
    pixels: { shape: [2, 2], data: Uint16Array.of(1, 2, 3, 4) },
    flags: { shape: [3], data: Uint8Array.of(1, 0, 1) },
  };
  for (const name of ['safetensors', 'checkpoint', 'run', 'study', 'result', 'embeddings'])
    await mkdir(join(folder, name));
  await writeSafetensors(join(folder, 'safetensors/weights.safetensors'), values, { note: 'x' });
  const tensors = new Map(Object.entries({ a: values.weight, b: values.weight }));
  const position = { epoch: 1, step: 2, lossSum: 0.5, bestEpoch: 1, seconds: 3, done: false };
  const store = new CheckpointStore(join(folder, 'checkpoint'), { config: 'c', data: 'd' });
  const rows = [{ stage: 'stage', epoch: 1, loss: 0.5 }];
  await store.write('stage', { ...position, rows }, { weights: tensors, best: tensors, optimizer: tensors });
  await writeIdentity(join(folder, 'run'), { config: tinyConfig(), data: '/data' });
  const plan = { ...newPlan({ data: '/data' }, 2), program: provenance() };
  await writeFile(join(folder, 'study/study.json'), JSON.stringify(plan));
  const arm = { steps: { finetuning: 1, pretraining: 1 }, bestEpoch: 1, validationBalancedAccuracy: 0.5 };
  const result = { seconds: 1, device: 'cpu', fingerprint: null, arm };
  await writeResult({ dir: join(folder, 'result'), id: 'cell' } as never, result);
  const discs = [0, 1].map((study) => ({ study: `${study}`, level: 'L4/L5', side: null }));
  const embeddings = { discs, values: Float32Array.of(1, 2, 3, 4), features: 2 };
  await writeEmbeddings(join(folder, 'embeddings'), embeddings);
}

const inFolder = (folder: string, files: Files): Files =>
  Object.fromEntries(Object.entries(files).map(([name, content]) => [`${folder}/${name}`, content]));

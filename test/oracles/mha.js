/**
 * Writes test/data/golden/mha.json: small MetaImage files and what ITK reads from them. SimpleITK has the same reader.
 *
 *     npm install --prefix FOLDER @itk-wasm/image-io
 *     node test/oracles/mha.js FOLDER
 *
 * ITK writes one raw and one compressed file of every component type, with rotated directions. The other files have
 * headers that ITK reads but does not write. The numbers are synthetic.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const library = join(resolve(process.argv[2]), 'node_modules/@itk-wasm/image-io');
const { readImageNode, writeImageNode } = await import(join(library, 'dist/index-node.js'));
const { version } = JSON.parse(await readFile(join(library, 'package.json'), 'utf8'));
const folder = await mkdtemp(join(tmpdir(), 'mha-'));

const SIZE = [3, 4, 5];
const COUNT = 60;
const TYPES = {
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
  float32: Float32Array,
  float64: Float64Array,
};

let state = 1;
/** A number in [0, 1) of the Lehmer generator. */
function random() {
  state = (state * 48_271) % 0x7fffffff;
  return state / 0x7fffffff;
}

/** Random values in the range of the type; those of 64 bits stay below 2^53. */
function valuesOf(type) {
  const Values = TYPES[type];
  const bits = Math.min(8 * Values.BYTES_PER_ELEMENT, 53);
  const low = type.startsWith('u') ? 0 : -(2 ** (bits - 1));
  return Values.from({ length: COUNT }, () => {
    const value = Math.floor(random() * 2 ** bits) + low;
    if (type.startsWith('float')) return random() * 200 - 100;
    return type.endsWith('64') ? BigInt(value) : value;
  });
}

/** The rows of a rotation by Euler angles of at most 12 degrees, in random order and with random signs. */
function direction() {
  const [a, b, c] = [random(), random(), random()].map((x) => (x - 0.5) * 0.4);
  const [ca, sa, cb, sb, cc, sc] = [a, b, c].flatMap((x) => [Math.cos(x), Math.sin(x)]);
  const rows = [
    [ca * cb, ca * sb * sc - sa * cc, ca * sb * cc + sa * sc],
    [sa * cb, sa * sb * sc + ca * cc, sa * sb * cc - ca * sc],
    [-sb, cb * sc, cb * cc],
  ];
  const keys = rows.map((row) => [random(), random() < 0.5 ? -1 : 1, row]);
  return keys.sort(([p], [q]) => p - q).map(([, sign, row]) => row.map((x) => sign * x));
}

/** itk-wasm labels the 4 bytes of MET_LONG and MET_ULONG as 64 bits, so it returns half as many numbers. */
function numbers(data) {
  if (data.length === COUNT) return Array.from(data, Number);
  const Values = data instanceof BigInt64Array ? Int32Array : Uint32Array;
  return new Values(data.buffer, data.byteOffset, COUNT);
}

const cases = [];
async function record(name, path) {
  const image = await readImageNode(path);
  cases.push({
    name,
    file: (await readFile(path)).toString('base64'),
    componentType: image.imageType.componentType,
    size: image.size,
    spacing: image.spacing,
    origin: image.origin,
    direction: [...image.direction],
    values: [...numbers(image.data)],
  });
}

for (const type of Object.keys(TYPES)) {
  for (const compressed of [false, true]) {
    const path = join(folder, `${type}-${compressed}.mha`);
    const image = {
      imageType: { dimension: 3, componentType: type, pixelType: 'Scalar', components: 1 },
      name: 'image',
      origin: [0, 0, 0].map(() => Math.round(random() * 4000 - 2000) / 16),
      spacing: [0, 0, 0].map(() => Math.round(random() * 64 + 4) / 16),
      direction: Float64Array.from(direction().flat()),
      size: SIZE,
      metadata: new Map(),
      data: valuesOf(type),
    };
    await writeImageNode(image, path, { useCompression: compressed });
    await record(`${type}, ${compressed ? 'compressed' : 'raw'}`, path);
  }
}

const ROTATED = '0 1 0 0 0 -1 -1 0 0';
async function hand(name, type, lines, { big = false, separator = ' = ', end = '\n' } = {}) {
  const bytes = Buffer.from(valuesOf(type).buffer);
  if (big) bytes[`swap${8 * TYPES[type].BYTES_PER_ELEMENT}`]();
  const header = ['NDims = 3', 'BinaryData = True', ...lines, `DimSize = ${SIZE.join(' ')}`];
  const text = [...header, 'ElementDataFile = LOCAL'].map((line) => line.replace(' = ', separator) + end);
  const path = join(folder, `${cases.length}.mha`);
  await writeFile(path, Buffer.concat([Buffer.from(text.join('')), bytes]));
  await record(name, path);
}

const spacing = 'ElementSpacing = 0.5 0.75 4';
for (const [type, element] of [
  ['int16', 'MET_SHORT'],
  ['float32', 'MET_FLOAT'],
  ['float64', 'MET_DOUBLE'],
]) {
  const lines = [`ElementType = ${element}`, spacing, `TransformMatrix = ${ROTATED}`, 'Offset = 1 2 3'];
  await hand(`${type}, BinaryDataByteOrderMSB`, type, [...lines, 'BinaryDataByteOrderMSB = True'], {
    big: true,
  });
  await hand(`${type}, ElementByteOrderMSB`, type, [...lines, 'ElementByteOrderMSB = True'], { big: true });
}
const short = ['ElementType = MET_SHORT', spacing];
await hand('Rotation and Position', 'int16', [...short, `Rotation = ${ROTATED}`, 'Position = 4 5 6']);
await hand('Orientation and Origin', 'int16', [...short, `Orientation = ${ROTATED}`, 'Origin = 7 8 9']);
await hand('no direction and no offset', 'int16', short);
await hand('ElementSize without ElementSpacing', 'int16', ['ElementType = MET_SHORT', 'ElementSize = 2 3 4']);
await hand('both orders of bytes', 'int16', [
  ...short,
  'ElementByteOrderMSB = True',
  'BinaryDataByteOrderMSB = False',
]);
await hand('MET_LONG', 'int32', ['ElementType = MET_LONG', spacing]);
await hand('MET_ULONG', 'uint32', ['ElementType = MET_ULONG', spacing]);
await hand('colons and lines that end with CRLF', 'int16', [...short, 'Offset = -1.5e1 2 3'], {
  separator: ': ',
  end: '\r\n',
});
await hand('unknown fields and AnatomicalOrientation', 'int16', [
  ...short,
  'AnatomicalOrientation = RAI',
  'ITK_InputFilterName = MetaImageIO',
  'Comment = a = b',
]);

await rm(folder, { recursive: true });
const path = new URL('../data/golden/mha.json', import.meta.url);
await writeFile(path, `${JSON.stringify({ versions: { '@itk-wasm/image-io': version }, cases })}\n`);
console.log(`${cases.length} files`);

/** Seeded mutations of the bytes of a file. */

/** Values of sizes, counts and offsets at which readers fail. */
const INTEGERS = [
  0,
  1,
  2,
  0x7f,
  0x80,
  0xff,
  0x7fff,
  0x8000,
  0xffff,
  2 ** 24,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32 - 1,
];
const NUMBERS = [0, -0, -1, 1e-30, 1e30, Number.NaN, Infinity, -Infinity];

const NESTED = `${'['.repeat(20_000)}${']'.repeat(20_000)}`;
/** What replaces a word or a number of a text. */
const WORDS = [
  ...[
    '',
    '0',
    '-0',
    '-1',
    '0.5',
    '1e999',
    '-1e308',
    '1e-320',
    '9007199254740993',
    '4294967296',
    '65536',
    '0x10',
  ],
  ...[
    'NaN',
    'Infinity',
    'null',
    'true',
    '[]',
    '{}',
    '""',
    '__proto__',
    'constructor',
    'toString',
    '../../x',
    '/etc/x',
  ],
  ...[
    '=1+1',
    '@x',
    "'",
    '"',
    '\0',
    '\u001b[31m',
    '\ud83d\ude00',
    '\ufeff',
    '1,5',
    'x'.repeat(5000),
    '9'.repeat(400),
    NESTED,
  ],
];
const CHARACTERS = [...',;\t"\'{}[]:=+-@\\/\0\n\r \u00a0'];
/** What replaces a value of a JSON file. */
const VALUES = [
  null,
  true,
  0,
  -1,
  0.5,
  3,
  2 ** 31,
  2 ** 53,
  1e308,
  -1e308,
  '',
  'x',
  '../../x',
  '__proto__',
  [],
  {},
  [[]],
];

const below = (random, count) => Math.floor(random.uniform(0, count));

/** Headers are at the beginning, so half of the places are there. */
const place = (random, length) => below(random, random.chance(0.5) ? Math.min(length, 400) : length);

const BYTE_MUTATIONS = [
  function flipBits(random, bytes) {
    for (let n = 1 + below(random, 8); n > 0; n--)
      bytes[place(random, bytes.length)] ^= 1 << below(random, 8);
    return bytes;
  },
  function changeInteger(random, bytes) {
    const width = random.pick([1, 2, 4, 8]);
    const at = place(random, Math.max(1, bytes.length - width));
    if (at + width > bytes.length) return bytes;
    const field = Buffer.alloc(8);
    field.writeBigUInt64LE(BigInt(random.pick(INTEGERS)) << (random.chance(0.1) ? 31n : 0n));
    const value = field.subarray(0, width);
    bytes.set(random.chance(0.5) ? value : Buffer.from(value).reverse(), at);
    return bytes;
  },
  function changeNumber(random, bytes) {
    const at = place(random, bytes.length) & ~3;
    if (at + 8 > bytes.length) return bytes;
    if (random.chance(0.5)) bytes.writeFloatLE(random.pick(NUMBERS), at);
    else bytes.writeDoubleLE(random.pick(NUMBERS), at);
    return bytes;
  },
  function truncate(random, bytes) {
    return bytes.subarray(0, place(random, bytes.length));
  },
  function remove(random, bytes) {
    const at = place(random, bytes.length);
    return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + below(random, 64))]);
  },
  function repeat(random, bytes) {
    const at = place(random, bytes.length);
    const part = bytes.subarray(at, at + 1 + below(random, 200));
    return Buffer.concat([bytes.subarray(0, at), part, part, bytes.subarray(at)]);
  },
  function splice(random, bytes, other) {
    const from = place(random, other.length);
    const part = other.subarray(from, from + 1 + below(random, 400));
    const at = place(random, bytes.length);
    const rest = random.chance(0.5) ? at : at + part.length;
    return Buffer.concat([bytes.subarray(0, at), part, bytes.subarray(rest)]);
  },
];

const TEXT_MUTATIONS = [
  function replaceWord(random, text) {
    const words = [...text.slice(0, 20_000).matchAll(/[\w.+-]+/g)];
    if (words.length === 0) return text;
    const { index, 0: word } = random.pick(words);
    return text.slice(0, index) + random.pick(WORDS) + text.slice(index + word.length);
  },
  function insertCharacter(random, text) {
    const at = below(random, text.length + 1);
    return text.slice(0, at) + random.pick(CHARACTERS) + text.slice(at + below(random, 2));
  },
  function changeLines(random, text) {
    const lines = text.split('\n');
    const [at, other] = [below(random, lines.length), below(random, lines.length)];
    if (random.chance(0.3)) lines.splice(at, 1);
    else if (random.chance(0.5)) lines.splice(at, 0, lines[other]);
    else
      return lines
        .map((line) => line + (random.chance(0.3) ? random.pick(['\r', '\r\n', '\n\n']) : '\n'))
        .join('');
    return lines.join('\n');
  },
];

/** Replaces, removes or adds a value somewhere in a JSON text; another text is changed by TEXT_MUTATIONS. */
function changeJson(random, text) {
  let root;
  try {
    root = { value: JSON.parse(text) };
  } catch {
    return random.pick(TEXT_MUTATIONS)(random, text);
  }
  const places = [];
  for (const holders = [root]; holders.length > 0; ) {
    const holder = holders.pop();
    for (const [key, value] of Object.entries(holder)) {
      places.push([holder, key]);
      if (typeof value === 'object' && value !== null && places.length < 50_000) holders.push(value);
    }
  }
  const [holder, key] = random.pick(places);
  const [other, otherKey] = random.pick(places);
  try {
    const choice = random.uniform();
    if (choice < 0.15) delete holder[key];
    else if (choice < 0.3) holder[random.pick(['more', 'constructor', 'length'])] = 1;
    else holder[key] = structuredClone(random.chance(0.3) ? other[otherKey] : random.pick(VALUES));
    return JSON.stringify(root.value) ?? '';
  } catch {
    return text; // An earlier mutation nested it too deeply.
  }
}

const asText = (mutation) => (random, bytes) => Buffer.from(mutation(random, bytes.toString('utf8')));
const TEXTS = [...TEXT_MUTATIONS.map(asText), ...Array(5).fill(asText(changeJson))];

/**
 * One to three mutations of a file.
 *
 * @param isText whether most mutations replace text
 * @param other a file of the corpus, for splices
 */
export function mutate(random, bytes, { isText, other }) {
  let result = Buffer.from(bytes);
  for (let n = random.pick([1, 1, 1, 2, 3]); n > 0 && result.length > 0; n--) {
    const mutation = random.pick(isText && random.chance(0.85) ? TEXTS : BYTE_MUTATIONS);
    result = Buffer.from(mutation(random, result, other));
  }
  return result;
}

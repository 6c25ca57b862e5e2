import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readCsv } from '#spinegrad/io/csv.js';
import { formatCsv } from '#spinegrad/io/writeCsv.js';

let folder: string;
let path: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'spinegrad-csv-'));
  path = join(folder, 'table.csv');
});
afterAll(() => rm(folder, { recursive: true }));

async function read(content: string | Buffer, columns: string[] = []) {
  await writeFile(path, content);
  return readCsv(path, columns);
}
const fieldsOf = async (content: string | Buffer) => (await read(content)).map(({ fields }) => fields);

describe('readCsv', () => {
  test('returns fields by column and the line of each row', async () => {
    expect(await read('a,b\n1,2\n\n3,"x, y"\n', ['b'])).toEqual([
      { line: 2, fields: { a: '1', b: '2' } },
      { line: 4, fields: { a: '3', b: 'x, y' } },
    ]);
  });

  test.each([
    ['a byte order mark', '\ufeffa,b\n1,2\n3,4\n'],
    ['CRLF', 'a,b\r\n1,2\r\n3,4\r\n'],
    ['CR', 'a,b\r1,2\r3,4'],
    ['mixed line ends', 'a,b\r\n1,2\n3,4\r'],
    ['no line end at the end', 'a,b\n1,2\n3,4'],
    ['blanks around fields', ' a , b\n1, 2\n3 ,4\n'],
    ['quotes', '"a","b"\n"1","2"\n3,"4"\n'],
    ['semicolons', 'a;b\n1;2\n3;4\n'],
    ['semicolons, quotes, CRLF and a byte order mark', '\ufeff"a";"b"\r\n"1";2\r\n3;4\r\n'],
    ['tabs', 'a\tb\n1\t2\n3\t4\n'],
    ['empty lines and lines of empty fields', 'a,b\n\n1,2\n,\n3,4\n,\n\n'],
    ['UTF-16 with a byte order mark', Buffer.from('\ufeffa,b\n1,2\n3,4\n', 'utf16le')],
  ])('accepts %s', async (_, content) => {
    expect(await fieldsOf(content)).toEqual([
      { a: '1', b: '2' },
      { a: '3', b: '4' },
    ]);
  });

  test('counts lines of any end, and lines in quotes', async () => {
    const rows = await read('a,b\r\n1,"two\nlines"\n3,4\r\n');
    expect(rows.map(({ line }) => line)).toEqual([3, 4]);
  });

  test('reads a decimal comma as a point if commas do not separate fields', async () => {
    expect(await fieldsOf('a;b;c\n1,5;-2,25 x 3,5;L4,L5\n')).toEqual([
      { a: '1.5', b: '-2.25 x 3.5', c: 'L4,L5' },
    ]);
    expect(await fieldsOf('a,b\n"1,5",2\n')).toEqual([{ a: '1,5', b: '2' }]);
  });

  test('takes the separator that occurs outside quotes', async () => {
    expect(await fieldsOf('"a;x;y",b\n1,2\n')).toEqual([{ 'a;x;y': '1', b: '2' }]);
  });

  test('names columns with nameOf', async () => {
    await writeFile(path, 'Study,LEVEL\n1,2\n');
    const rows = await readCsv(path, ['study'], { nameOf: (header) => header.toLowerCase() });
    expect(rows).toEqual([{ line: 2, fields: { study: '1', level: '2' } }]);
  });

  test.each([
    ['a missing column', 'a,b\n', ['a', 'c', 'd'], 'ERR_CSV_HEADER', 'has no column c, d; found a, b'],
    ['an empty file', '', ['a'], 'ERR_CSV_HEADER', 'has no column a; found an empty file'],
    ['a column that occurs twice', 'a,b,a\n', ['a'], 'ERR_CSV_HEADER', 'has the column a twice'],
    ['a line of another length', 'a,b\n1,2\n3\n', [], 'ERR_CSV', 'line 3'],
    ['a quote that is not closed', 'a,b\n1,"2\n', [], 'ERR_CSV', 'line 2'],
  ])('%s: the message names the file', async (_, content, columns, code, part) => {
    const error = await read(content, columns).catch((cause) => cause);
    expect(error).toMatchObject({ code });
    expect(error.message).toContain(`${path}: `);
    expect(error.message).toContain(part);
  });

  test('a long value is cut in the message, which keeps the file and the advice', async () => {
    const error = await read('a,b\n1,2\n', ['c'.repeat(5000)]).catch((cause) => cause);
    expect(error.message).toHaveLength(2000);
    expect(error.message).toMatch(/table\.csv: has no column c+ … c+; found a, b$/);
  });

  test('throws ERR_FILE_NOT_FOUND', async () => {
    await expect(readCsv(join(folder, 'none.csv'), [])).rejects.toMatchObject({ code: 'ERR_FILE_NOT_FOUND' });
  });

  test('removes the marks that formatCsv writes before what looks like a formula', async () => {
    const texts = ['=1+1', '+1', '@x', '-x', '\uff1d1', "'x", '-3.50', '-3', 'x'];
    const written = formatCsv(
      ['a'],
      texts.map((text) => [text]),
    );
    const marked = ["'=1+1", "'+1", "'@x", "'-x", "'\uff1d1", "''x", '-3.50', '-3', 'x'];
    expect(written).toBe(`a\n${marked.join('\n')}\n`);
    await writeFile(path, written);
    const rows = await readCsv(path, ['a'], { isMarked: true });
    expect(rows.map(({ fields }) => fields.a)).toEqual(texts);
  });

  test('reads what formatCsv writes', async () => {
    const field = fc.stringMatching(/^[A-Za-z0-9 ,;"\n]*$/).map((text) => text.trim());
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(field, field), { maxLength: 5 }), async (rows) => {
        const filled = rows.filter((row) => row.some((text) => text !== ''));
        expect(await fieldsOf(formatCsv(['a', 'b'], filled))).toEqual(filled.map(([a, b]) => ({ a, b })));
      }),
      { numRuns: 200 },
    );
  });
});

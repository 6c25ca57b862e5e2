/** Reads the JSON of files. */

/** Levels of arrays and objects. The files of this project have fewer than 10; recursive functions fail at some thousands. */
const MAX_DEPTH = 64;

/**
 * JSON.parse for the text of a file.
 *
 * @throws SyntaxError if the text is not JSON, or if its arrays and objects are nested too deeply
 */
export function parseJson(text: string): ReturnType<typeof JSON.parse> {
  const value = JSON.parse(text);
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > MAX_DEPTH) throw new SyntaxError(`found more than ${MAX_DEPTH} nested arrays and objects`);
    level = level.flatMap((item) => (typeof item === 'object' && item !== null ? Object.values(item) : []));
  }
  return value;
}

/**
 * HTML and SVG as tagged templates. Values are escaped unless they are themselves the result of a template, so text from
 * a data set cannot become markup.
 *
 *     markup`<td title="${hint}">${rows.map((row) => markup`<b>${row}</b>`)}</td>`
 */

export class Markup {
  constructor(readonly text: string) {}

  toString(): string {
    return this.text;
  }
}

/** Null, undefined and false are rendered as nothing. Numbers are coordinates and are rounded to two decimals. */
export type Content = Markup | string | number | null | undefined | false | readonly Content[];

const ENTITIES: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Escapes for text and for quoted attributes; control characters, which XML forbids, become U+FFFD. */
function escapeText(text: string): string {
  return (
    text
      // biome-ignore lint/suspicious/noControlCharactersInRegex: the pattern matches control characters on purpose
      .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, '\ufffd')
      .replace(/[&<>"']/g, (character) => ENTITIES[character]!)
  );
}

function render(content: Content): string {
  if (content instanceof Markup) return content.text;
  if (typeof content === 'string') return escapeText(content);
  if (typeof content === 'number') return String(Math.round(content * 100) / 100);
  if (Array.isArray(content)) return content.map(render).join('');
  return '';
}

export function markup(strings: TemplateStringsArray, ...values: Content[]): Markup {
  return new Markup(strings.reduce((text, part, i) => text + render(values[i - 1]) + part));
}

/** Numbers and tables of Markdown, for people. */

/** Three digits that count, no digit before the point left out. */
export const digits = (value: number): string => {
  if (!Number.isFinite(value)) return '-';
  return String(value < 1000 ? Number(value.toPrecision(3)) : Math.round(value));
};

export const markdown = (heading: readonly string[], rows: readonly (readonly string[])[]): string =>
  [heading, heading.map((_, index) => (index === 0 ? '---' : '---:')), ...rows]
    .map((cells) => `| ${cells.join(' | ')} |`)
    .join('\n');

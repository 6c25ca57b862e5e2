/** Formats numbers and Markdown tables. */

/** Three significant digits; all digits before the decimal point. */
export const formatNumber = (value: number): string => {
  if (!Number.isFinite(value)) return '-';
  return String(value < 1000 ? Number(value.toPrecision(3)) : Math.round(value));
};

export const markdownTable = (heading: readonly string[], rows: readonly (readonly string[])[]): string =>
  [heading, heading.map((_, index) => (index === 0 ? '---' : '---:')), ...rows]
    .map((cells) => `| ${cells.join(' | ')} |`)
    .join('\n');

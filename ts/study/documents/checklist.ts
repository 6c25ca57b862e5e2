/** A reporting checklist as Markdown: what the program knows, and what the authors must add. */

/** An item of a checklist: its number, its subject in our words, and the answer. */
export interface Item {
  number: string;
  subject: string;
  /** Null: only the authors know. */
  answer: string | null;
  /** What the authors must add to an answer, or the whole answer. */
  open?: string;
}

export interface Section {
  title: string;
  items: readonly Item[];
}

const cell = (text: string) => text.replaceAll('|', '\\|').replace(/\s+/g, ' ');

/** One table per section. An item without an answer, or with something to add, is marked **open**. */
export function formatChecklist(title: string, source: string, sections: readonly Section[]): string {
  const items = sections.flatMap((section) => section.items);
  const answered = items.filter(({ answer, open }) => answer !== null && open === undefined).length;
  const tables = sections.map(({ title, items }) => {
    const rows = items.map(({ number, subject, answer, open }) => {
      const missing = answer === null || open !== undefined ? `**open**${open ? `: ${open}` : ''}` : '';
      return `| ${number} | ${cell(subject)} | ${cell([answer ?? '', missing].filter(Boolean).join(' '))} |`;
    });
    return `## ${title}\n\n| item | subject | answer |\n| --- | --- | --- |\n${rows.join('\n')}\n`;
  });
  return (
    `# ${title}\n\n${source} The subjects are short paraphrases: use the published checklist for a submission. ` +
    `spinegrad answers ${answered} of ${items.length} items; the others are marked **open**.\n\n${tables.join('\n')}`
  );
}

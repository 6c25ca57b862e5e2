/** Progress on stderr: one line that moves on a terminal, a line every tenth elsewhere. */
export function progressLine(name: string): (done: number, total: number, note?: string) => void {
  const started = performance.now();
  const { stderr } = process;
  return (done, total, note) => {
    const seconds = (performance.now() - started) / 1000;
    const left = Math.ceil((seconds * (total - done)) / done);
    const text = `${name} ${done}/${total}, ${left} s left${note ? `, ${note}` : ''}`;
    if (stderr.isTTY) stderr.write(`\r\x1b[K${done === total ? '' : text}`);
    else if (done === total || done % Math.max(1, Math.round(total / 10)) === 0) stderr.write(`${text}\n`);
  };
}

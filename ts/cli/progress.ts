/**
 * Progress on stderr. A terminal shows one line that is overwritten, with rate and remaining time. A log gets a line at
 * fixed intervals and one at the end of each stage.
 */
import { duration } from '../report/format.js';
import type { Progress } from '../training/progress.js';

const TERMINAL_INTERVAL_MS = 100;
const PLAIN_INTERVAL_MS = 10_000;

export type Output = Pick<NodeJS.WriteStream, 'isTTY' | 'columns'> & { write(text: string): unknown };

/** A terminal without escape codes, TERM=dumb, is shown what a log is. */
export function terminalProgress(stream: Output = process.stderr, term = process.env.TERM): Progress {
  const isTerminal = stream.isTTY && term !== 'dumb';
  let stage = '';
  let startTime = 0;
  let startDone = 0;
  let shownTime = 0;
  let open = false;

  const clear = () => {
    if (open) stream.write('\r\x1b[K');
    open = false;
  };

  return {
    update(name, done, total, note = '') {
      const now = performance.now();
      if (name !== stage) {
        [stage, startTime, startDone] = [name, now, done];
        // A terminal shows a new stage immediately, a log after the first interval.
        shownTime = isTerminal ? -Infinity : now;
      }
      const finished = done >= total;
      const interval = isTerminal ? TERMINAL_INTERVAL_MS : PLAIN_INTERVAL_MS;
      if (!finished && now - shownTime < interval) return;
      shownTime = now;
      const seconds = (now - startTime) / 1000;
      const rate = (done - startDone) / seconds;
      const pace = rate > 0 ? `  ${rate.toPrecision(3)}/s, ${duration((total - done) / rate)} left` : '';
      const text = `${name}  ${done}/${total}${finished ? ` in ${duration(seconds)}` : pace}${note && `  ${note}`}`;
      if (!isTerminal) {
        stream.write(`${text}\n`);
        return;
      }
      clear();
      stream.write(text.slice(0, (stream.columns ?? 120) - 1));
      open = !finished;
      if (finished) stream.write('\n');
    },
    line(text) {
      clear();
      stream.write(`${text}\n`);
    },
    end() {
      if (open) stream.write('\n');
      open = false;
    },
  };
}

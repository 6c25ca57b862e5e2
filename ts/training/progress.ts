/**
 * What a person sees while a run goes on: on a terminal one line that is written over, with rate and time to go;
 * elsewhere a plain line a stage and now and then in between.
 */

const PLAIN_INTERVAL_MS = 10_000;

export interface Progress {
  /** Shows how far `task` has come. */
  update(task: string, done: number, total: number, note?: string): void;
  /** A line that stays. */
  line(text: string): void;
}

export const silent: Progress = { update() {}, line() {} };

export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60];
  return h > 0
    ? `${h}h${String(m).padStart(2, '0')}`
    : m > 0
      ? `${m}m${String(s).padStart(2, '0')}`
      : `${s}s`;
}

export function terminalProgress(stream: NodeJS.WriteStream = process.stderr): Progress {
  let task = '';
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
      if (name !== task) [task, startTime, startDone, shownTime] = [name, now, done, 0];
      const finished = done >= total;
      if (!finished && now - shownTime < (stream.isTTY ? 100 : PLAIN_INTERVAL_MS)) return;
      shownTime = now;
      const seconds = (now - startTime) / 1000;
      const rate = (done - startDone) / seconds;
      const pace = rate > 0 ? `  ${rate.toPrecision(3)}/s  ${duration((total - done) / rate)} to go` : '';
      const text = `${name}  ${done}/${total}${finished ? `  in ${duration(seconds)}` : pace}${note && `  ${note}`}`;
      if (!stream.isTTY) {
        stream.write(`${text}\n`);
        return;
      }
      clear();
      stream.write(text.slice(0, (stream.columns ?? 120) - 1));
      open = true;
      if (finished) {
        stream.write('\n');
        open = false;
      }
    },
    line(text) {
      clear();
      stream.write(`${text}\n`);
    },
  };
}

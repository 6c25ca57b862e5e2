/** Maximum length of a message: it can quote a value of a file, which can have any length. */
const MAX_MESSAGE = 2000;

/**
 * The error type of this project. `code` is stable and meant for programs: `ERR_` and upper case, for example
 * `ERR_SHAPE` or `ERR_DICOM_TRUNCATED`. The message is one line for people: the file or argument, what was found, what
 * was expected, what to do.
 */
export class SpinegradError extends Error {
  override readonly name = 'SpinegradError';

  constructor(
    readonly code: `ERR_${string}`,
    message: string,
    options?: ErrorOptions,
  ) {
    // A message can quote bytes of a file, and a terminal executes control characters.
    super(shortened(message).replace(/\p{Cc}+/gu, ' '), options);
  }
}

/** Without the middle of a long message: it begins with the file, and ends with what to do. */
function shortened(message: string): string {
  if (message.length <= MAX_MESSAGE) return message;
  return `${message.slice(0, MAX_MESSAGE - 503)} … ${message.slice(-500)}`;
}

/** A file, series, disc or row that was left out of a result, and the reason. */
export interface Skipped {
  path: string;
  code: SpinegradError['code'];
  message: string;
}

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
    super(message.replace(/\p{Cc}+/gu, ' '), options);
  }
}

/** A file, series, disc or row that was left out of a result, and the reason. */
export interface Skipped {
  path: string;
  code: SpinegradError['code'];
  message: string;
}

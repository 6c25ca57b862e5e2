/**
 * The one error type of the project. `code` is stable and meant for programs (`ERR_` and upper case, for
 * example `ERR_SHAPE`, `ERR_DICOM_TRUNCATED`); the message is one line for people: what was being done and on
 * which file or argument, what was found, what was expected, what to do.
 */
export class SpinegradError extends Error {
  override readonly name = 'SpinegradError';

  constructor(
    readonly code: `ERR_${string}`,
    message: string,
    options?: ErrorOptions,
  ) {
    // What a message quotes of a file may hold anything; on a terminal a control character is a command.
    super(message.replace(/\p{Cc}+/gu, ' '), options);
  }
}

/** Runs the main function of a bench. A SpinegradError is printed as one line. */
import { SpinegradError } from '#spinegrad/error.js';

export async function runBench(main: () => Promise<void>): Promise<void> {
  process.stdout.on('error', () => process.exit()); // EPIPE, for example after `| head`
  try {
    await main();
  } catch (error) {
    if (!(error instanceof SpinegradError)) throw error;
    console.error(`${error.code}: ${error.message}`);
    process.exitCode = 1;
  }
}

/** How a bench's command ends: an error of spinegrad is one line, and nobody reading is no error. */
import { SpinegradError } from '#spinegrad/error.js';

export async function runBench(main: () => Promise<void>): Promise<void> {
  process.stdout.on('error', () => process.exit()); // nobody reads any more, as behind `| head`
  try {
    await main();
  } catch (error) {
    if (!(error instanceof SpinegradError)) throw error;
    console.error(`${error.code}: ${error.message}`);
    process.exitCode = 1;
  }
}

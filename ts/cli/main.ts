#!/usr/bin/env node
/**
 * The command line. A failure is one line on stderr and an exit code: 1 for what went wrong, 2 for a command line that
 * makes no sense, 130 after Ctrl-C. A stack trace is shown only for SPINEGRAD_DEBUG=1. Commands import the engine when
 * they run, so that help, data and `doctor` work where its addon does not load.
 */
import { readFileSync, realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Command, CommanderError } from 'commander';
import { SpinegradError } from '../error.js';
import { doctorCommand } from './doctor.js';
import { evaluateCommand } from './evaluate.js';
import { inspectCommand } from './inspect.js';
import { phantomCommand } from './phantom.js';
import { predictCommand } from './predict.js';
import { prepareCommand } from './prepare.js';
import { trainCommand } from './train.js';

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

const COMMANDS = [
  phantomCommand,
  prepareCommand,
  trainCommand,
  evaluateCommand,
  predictCommand,
  inspectCommand,
  doctorCommand,
];

/** Codes of errors in the command line or in the settings that it gives. */
const USAGE_ERRORS = ['ERR_CONFIG', 'ERR_TASK'];

/** Runs `spinegrad <args>` and sets the exit code. */
export async function main(args: readonly string[]): Promise<void> {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', whenUnread);
  process.on('uncaughtException', (error) => {
    fail(error);
    process.exit();
  });
  const program = new Command('spinegrad')
    .description('grades lumbar spinal canal stenosis disc by disc from sagittal MRI; for research only')
    .version(version)
    .exitOverride();
  for (const command of COMMANDS) program.addCommand(command().exitOverride());
  try {
    await program.parseAsync([...args], { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? 0 : 2;
      return;
    }
    fail(error);
  }
}

/** A reader that goes away early, as in `spinegrad inspect FILE | head`, ends no run. */
function whenUnread(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error;
}

function fail(error: unknown): void {
  process.exitCode = error instanceof SpinegradError && USAGE_ERRORS.includes(error.code) ? 2 : 1;
  console.error(describe(error));
  if (process.env.SPINEGRAD_DEBUG === '1') console.error(error);
}

function describe(error: unknown): string {
  if (error instanceof SpinegradError) return `spinegrad: ${error.code}: ${error.message}`;
  const message = error instanceof Error ? error.message.split('\n')[0] : String(error);
  return `spinegrad: ERR_INTERNAL: ${message}; this is a bug, please report it with the output of SPINEGRAD_DEBUG=1`;
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  await main(process.argv.slice(2));
}

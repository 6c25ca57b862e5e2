#!/usr/bin/env node
/**
 * The command line. A failure prints one line to stderr and sets the exit code (exitCodes.ts). SPINEGRAD_DEBUG=1 adds the
 * stack trace. Only the named command is loaded, and it imports the engine when it runs: help, the data commands and
 * `doctor` work without a loadable addon.
 */
import { realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Command, CommanderError } from 'commander';
import { SpinegradError } from '../error.js';
import { VERSION } from '../io/version.js';
import { exitCodeOf } from './exitCodes.js';

/** The commands in the order of the help, each in its own file. */
const COMMANDS: Record<string, () => Promise<() => Command>> = {
  phantom: async () => (await import('./phantom.js')).phantomCommand,
  prepare: async () => (await import('./prepare.js')).prepareCommand,
  train: async () => (await import('./train.js')).trainCommand,
  study: async () => (await import('./study.js')).studyCommand,
  evaluate: async () => (await import('./evaluate.js')).evaluateCommand,
  locate: async () => (await import('./locate.js')).locateCommand,
  predict: async () => (await import('./predict.js')).predictCommand,
  inspect: async () => (await import('./inspect.js')).inspectCommand,
  doctor: async () => (await import('./doctor.js')).doctorCommand,
};

/** Runs `spinegrad <args>` and sets the exit code. */
export async function main(args: readonly string[]): Promise<void> {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', ignoreClosedPipe);
  process.on('uncaughtException', (error) => {
    fail(error);
    process.exit();
  });
  const program = new Command('spinegrad')
    .description('grade degenerative changes of the lumbar spine from MRI, per disc; for research only')
    .version(VERSION)
    .enablePositionalOptions()
    .exitOverride();
  try {
    for (const command of await commandsOf(args)) program.addCommand(command().exitOverride());
    await program.parseAsync([...args], { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? 0 : 2;
      return;
    }
    fail(error);
  }
}

/** The commands that a command line needs: the named one, none for the version, all for the help or an unknown name. */
function commandsOf([first = '']: readonly string[]): Promise<(() => Command)[]> {
  if (first === '-V' || first === '--version') return Promise.resolve([]);
  const named = Object.hasOwn(COMMANDS, first) ? [COMMANDS[first]!] : Object.values(COMMANDS);
  return Promise.all(named.map((load) => load()));
}

/** A reader that closes the pipe early, as in `spinegrad inspect FILE | head`, is not an error. */
function ignoreClosedPipe(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error;
}

function fail(error: unknown): void {
  process.exitCode = exitCodeOf(error);
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

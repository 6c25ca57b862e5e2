/**
 * One comparison: both sides get the same inputs, their results are compared, and then they measure in turns, one
 * sleeping while the other computes, so that what disturbs the machine disturbs both.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SpinegradError } from '#spinegrad/error.js';
import type { Conversation } from '../lib/conversation.js';
import { summary, type Timing } from '../lib/summary.js';
import type { Question } from './job.js';
import type { Comparison } from './works.js';

export type Peers = Readonly<Partial<Record<'default' | 'tuned', Conversation>>>;

export interface Result {
  label: string;
  same: string;
  ours: Timing;
  /** By peer and variant. */
  theirs: Readonly<Record<string, Readonly<Record<string, Timing>>>>;
  /** The largest difference of the results, as a share of the largest value; null without a peer. */
  difference: number | null;
  bound: number;
  targets: readonly { name: string; ratio: number | null; target: number; milliseconds: number | null }[];
}

export interface Effort {
  warmUps: number;
  rounds: number;
}

const ask = <T>(side: Conversation, question: Question): Promise<T> => side.ask<T>(question);

async function valuesOf(side: Conversation): Promise<Float32Array[]> {
  const { values } = await ask<{ values: string[] }>(side, { do: 'values' });
  return values.map((text) => new Float32Array(new Uint8Array(Buffer.from(text, 'base64')).buffer));
}

function differenceOf(ours: Float32Array, theirs: Float32Array): number {
  if (ours.length !== theirs.length) return Number.POSITIVE_INFINITY;
  let largest = 0;
  let difference = 0;
  for (let i = 0; i < ours.length; i++) {
    largest = Math.max(largest, Math.abs(theirs[i]!));
    // A value that is not a number must not pass.
    const apart = Math.abs(ours[i]! - theirs[i]!);
    difference = apart <= difference ? difference : apart;
  }
  return difference / largest;
}

interface Runner {
  side: Conversation;
  peer: string;
  variant: string;
  samples: number[];
}

export async function compare(
  comparison: Comparison,
  ours: Conversation,
  peers: Peers,
  { warmUps, rounds }: Effort,
): Promise<Result> {
  const { work, options, label, same, bound, calls } = comparison;
  const folder = mkdtempSync(join(tmpdir(), 'spinegrad-peers-'));
  try {
    const sides = Object.entries({ ours, ...peers }) as [string, Conversation][];
    const runners: Runner[] = [];
    for (const [peer, side] of sides) {
      const { variants } = await ask<{ variants: string[] }>(side, { do: 'open', work, options, folder });
      for (const variant of variants) runners.push({ side, peer, variant, samples: [] });
    }
    const values = await valuesOf(ours);
    let difference: number | null = null;
    for (const side of Object.values(peers)) {
      const theirs = await valuesOf(side);
      const apart = values.map((value, index) => differenceOf(value, theirs[index]!));
      difference = Math.max(difference ?? 0, ...apart);
      if (!(difference <= bound)) {
        throw new SpinegradError(
          'ERR_PEER',
          `${label}: both sides differ by ${difference} of the largest value, expected at most ${bound}`,
        );
      }
    }
    const sample = async ({ side, variant }: Runner): Promise<number> =>
      (await ask<{ milliseconds: number }>(side, { do: 'sample', variant, calls })).milliseconds;
    for (const runner of runners) for (let i = 0; i < warmUps; i++) await sample(runner);
    for (let round = 0; round < rounds; round++) {
      for (const runner of runners) runner.samples.push(await sample(runner));
    }
    for (const [, side] of sides) await ask(side, { do: 'close' });
    return { label, same, difference, bound, ...timingsOf(runners, comparison) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function timingsOf(runners: readonly Runner[], { targets }: Comparison) {
  const theirs: Record<string, Record<string, Timing>> = {};
  let ours: Timing | undefined;
  for (const { peer, variant, samples } of runners) {
    const timing = summary(samples);
    if (peer === 'ours') ours = timing;
    else theirs[peer] = { ...theirs[peer], [variant]: timing };
  }
  return {
    ours: ours!,
    theirs,
    targets: targets.map(({ name, peer, variants, ratio: target }) => {
      const medians = Object.entries(theirs[peer] ?? {})
        .filter(([variant]) => variants?.includes(variant) ?? true)
        .map(([, { median }]) => median);
      const milliseconds = medians.length > 0 ? Math.min(...medians) : null;
      return { name, milliseconds, ratio: milliseconds && milliseconds / ours!.median, target };
    }),
  };
}

/**
 * The chain of discs: which peaks of a map are discs, and of which level.
 *
 * A chain selects peaks from the sacrum upwards and gives them consecutive levels; it may pass over one missed disc at a
 * time, and it may begin with a rudimentary S1/S2 disc. Its score is the logarithm of a likelihood ratio: discs of a spine
 * (`spineShape.ts`) against false peaks scattered over the image. The score of a segment depends on the previous segment,
 * so the states of the dynamic programme are links, pairs of a peak and a level. The Viterbi recursion gives the best chain,
 * the forward-backward recursion the probability that a peak is the disc of a level (Rabiner, Proc. IEEE 77:257, 1989).
 */
import { type ChainDisc, type ChainNode, discsOf, type Naming } from './chainDiscs.js';
import { type Bounds, type Candidate, ChainScore, REMNANT, type Scale } from './chainScore.js';
import type { Segment, SpineShape } from './spineShape.js';

export interface Chain {
  /** From the lowest disc upwards; empty if no chain explains the peaks better than chance. */
  discs: ChainDisc[];
  /** Per candidate: the probability that it is the disc of a level, from REMNANT upwards. */
  levels: number[][];
  /** Log likelihood ratio of all chains against chance. */
  evidence: number;
}

/** Maximum deviation of a segment from its mean direction in degrees. */
const MAX_TURN = 60;

interface Link {
  from: number;
  fromLevel: number;
  to: number;
  toLevel: number;
  /** Deviation from the mean segment. */
  residual: Segment;
  /** Score of the upper disc and of a missed disc. */
  gain: number;
  /** Score of the segment if it is the lowest one, and of the end of the chain if it is the highest one. */
  first: number;
  end: number;
  /** Log likelihood ratio of the chains that end with this link, of the best one, and of the continuations. */
  forward: number;
  best: number;
  previous: Link | null;
  backward: number;
}

/**
 * Fits a chain to the peaks of a slice in the canonical view: superior up, anterior left.
 *
 * @param levels number of levels that have a name
 * @param naming default: all names are possible
 *
 * @example
 * const bounds = { top: 0, bottom: 127 };
 * fitChain(candidates, { mmPerPixel: 2.3, deviation: 0.13 }, LUMBAR_SHAPE, bounds, 9).discs[0]; // L5/S1
 */
export function fitChain(
  candidates: readonly Candidate[],
  scale: Scale,
  shape: SpineShape,
  bounds: Bounds,
  levels: number,
  naming: Naming | null = null,
): Chain {
  const order = candidates.map((_, index) => index).sort((a, b) => candidates[b]!.y - candidates[a]!.y);
  const score = new ChainScore(scale, shape, bounds, levels - 1);
  const mayBe = (index: number, level: number) => naming === null || naming.mayBe(index, level);
  const begin = (index: number, level: number) =>
    mayBe(index, level) ? score.begin(candidates[index]!, level) : Number.NEGATIVE_INFINITY;

  const links: Link[] = [];
  /** Links that end at a peak with a level. */
  const ending = new Map<string, Link[]>();
  for (const [position, to] of order.entries()) {
    for (const from of order.slice(0, position)) {
      if (candidates[from]!.y === candidates[to]!.y) continue;
      for (let fromLevel = REMNANT; fromLevel < levels - 1; fromLevel++) {
        for (const step of fromLevel === REMNANT ? [1] : [1, 2]) {
          const toLevel = fromLevel + step;
          if (toLevel >= levels || !mayBe(from, fromLevel) || !mayBe(to, toLevel)) continue;
          const residual = score.residual(candidates[from]!, candidates[to]!, fromLevel, toLevel);
          if (!(Math.abs(residual.direction) <= MAX_TURN)) continue;
          const gain = (step - 1) * score.missed + score.disc(candidates[to]!, toLevel);
          const segment = { from: candidates[from]!, fromLevel, to: candidates[to]!, toLevel };
          const [first, end] = [score.first(segment, residual), score.end(segment)];
          const begun = begin(from, fromLevel) + first;
          const link: Link = {
            ...{ from, fromLevel, to, toLevel, residual, gain, first, end },
            ...{ forward: begun, best: begun, previous: null, backward: end },
          };
          for (const previous of ending.get(key(from, fromLevel)) ?? []) {
            const next = score.next(previous.residual, residual);
            link.forward = logAdd(link.forward, previous.forward + next);
            if (previous.best + next <= link.best) continue;
            link.best = previous.best + next;
            link.previous = previous;
          }
          link.forward += gain;
          link.best += gain;
          links.push(link);
          const list = ending.get(key(to, toLevel));
          if (list) list.push(link);
          else ending.set(key(to, toLevel), [link]);
        }
      }
    }
  }

  // A link is only reached from links that precede it in the list.
  const continuation = new Map<string, number>();
  for (const link of links.toReversed()) {
    const tail = link.gain + link.backward;
    const start = key(link.from, link.fromLevel);
    continuation.set(start, logAdd(continuation.get(start) ?? 0, link.first + tail));
    for (const previous of ending.get(start) ?? []) {
      const next = score.next(previous.residual, link.residual);
      previous.backward = logAdd(previous.backward, next + tail);
    }
  }

  // The empty chain has the score 0.
  let total = 0;
  /** Log score of all chains that give the peak this level. */
  const marginal = new Map<string, number>();
  const include = (name: string, value: number) => {
    marginal.set(name, logAdd(marginal.get(name) ?? Number.NEGATIVE_INFINITY, value));
  };
  for (let level = REMNANT; level < levels; level++) {
    for (const index of order) {
      const name = key(index, level);
      const begun = begin(index, level) + (continuation.get(name) ?? 0);
      total = logAdd(total, begun);
      include(name, begun);
    }
  }
  for (const link of links) include(key(link.to, link.toLevel), link.forward + link.backward);

  const last = links.reduce<Link | null>(
    (best, link) => (link.best + link.end > (best ? best.best + best.end : 0) ? link : best),
    null,
  );
  const probabilities = candidates.map((_, index) =>
    Array.from({ length: levels - REMNANT }, (_, i) =>
      Math.exp(marginal.get(key(index, i + REMNANT))! - total),
    ),
  );
  return {
    discs: discsOf(nodesOf(last), candidates, probabilities, naming),
    levels: probabilities,
    evidence: total,
  };
}

/** The nodes of the chain that ends with a link, from the lowest disc upwards. */
function nodesOf(last: Link | null): ChainNode[] {
  if (last === null) return [];
  const { previous, from, fromLevel, to, toLevel } = last;
  const lower = previous === null ? [{ candidate: from, level: fromLevel }] : nodesOf(previous);
  return [...lower, { candidate: to, level: toLevel }];
}

const key = (index: number, level: number) => `${index} ${level}`;

/** log(exp(a) + exp(b)) */
function logAdd(a: number, b: number): number {
  const maximum = Math.max(a, b);
  return maximum === Number.NEGATIVE_INFINITY ? maximum : maximum + Math.log1p(Math.exp(-Math.abs(a - b)));
}

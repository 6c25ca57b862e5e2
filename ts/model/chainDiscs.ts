/** The discs of a chain, with those that have no peak. */
import { type Candidate, REMNANT } from './chainScore.js';

/** A candidate with a level. */
export interface ChainNode {
  /** Index of the candidate. */
  candidate: number;
  /** Number of discs between this one and L5/S1; REMNANT: it is S1/S2. */
  level: number;
}

export interface ChainDisc {
  /** Number of discs between this one and L5/S1. */
  level: number;
  x: number;
  y: number;
  /** Probability that the peak is a disc. */
  probability: number;
  /** Probability of the level, given that the peak is a disc. */
  levelProbability: number;
  /** Index of the candidate; null if the disc has no peak and was interpolated between its neighbours. */
  candidate: number | null;
}

/** Names of candidates, if more is known than the slice. */
export interface Naming {
  /** Whether a candidate may be the disc of a level. */
  mayBe(candidate: number, level: number): boolean;
  /** Probability of the level, given that the candidate is a disc. */
  probability(candidate: number, level: number): number;
}

/**
 * Makes the discs of a chain from its nodes. A level between two nodes is interpolated; a rudimentary S1/S2 disc is left out.
 *
 * @param nodes from the lowest disc upwards
 * @param levels per candidate: the probability that it is the disc of a level, from REMNANT upwards
 * @param naming gives the probabilities of the levels; null: these are those of the chain
 */
export function discsOf(
  nodes: readonly ChainNode[],
  candidates: readonly Candidate[],
  levels: readonly (readonly number[])[],
  naming: Naming | null,
): ChainDisc[] {
  const discs: ChainDisc[] = [];
  for (const { candidate, level } of nodes) {
    if (level === REMNANT) continue;
    const named = levels[candidate]!.slice(-REMNANT);
    const any = named.reduce((sum, probability) => sum + probability);
    const own = any > 0 ? named[level]! / any : 0;
    const levelProbability = naming === null ? own : naming.probability(candidate, level);
    const { x, y } = candidates[candidate]!;
    const disc = { level, x, y, probability: Math.min(1, any), levelProbability, candidate };
    const lower = discs.at(-1);
    if (lower !== undefined && level - lower.level === 2) discs.push(between(lower, disc));
    discs.push(disc);
  }
  return discs;
}

const between = (lower: ChainDisc, upper: ChainDisc): ChainDisc => ({
  level: lower.level + 1,
  x: (lower.x + upper.x) / 2,
  y: (lower.y + upper.y) / 2,
  probability: Math.min(lower.probability, upper.probability),
  levelProbability: Math.min(lower.levelProbability, upper.levelProbability),
  candidate: null,
});

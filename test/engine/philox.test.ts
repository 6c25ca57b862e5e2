import { describe, expect, it } from 'vitest';
import { philox, uniform } from '#spinegrad/engine/philox.js';

describe('philox', () => {
  // From kat_vectors in Random123, the library of Philox's authors: philox4x32 with 10 rounds.
  it.each([
    [[0, 0], [0, 0, 0, 0], '6627e8d5 e169c58d bc57ac4c 9b00dbd8'],
    [[0xffffffff, 0xffffffff], Array(4).fill(0xffffffff), '408f276d 41c83b0e a20bc7c6 6d5451fd'],
    [
      [0xa4093822, 0x299f31d0],
      [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
      'd16cfe09 94fdcceb 5001e420 24126ea1',
    ],
  ])('gives the published words for key %j', (key, counter, expected) => {
    const words = philox(key as [number, number], counter as [number, number, number, number]);
    expect(words.map((word) => word.toString(16).padStart(8, '0')).join(' ')).toBe(expected);
  });

  it('maps the upper 24 bits to uniform numbers in [0, 1)', () => {
    expect(uniform(0xff)).toBe(0);
    expect(uniform(0xffffffff)).toBe(1 - 2 ** -24);
  });
});

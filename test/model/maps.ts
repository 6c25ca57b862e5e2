/** Maps of a localizer, as they would be for a spine at given places. */
import type { SliceMaps } from '#spinegrad/model/maps.js';

export const SIDE = 64;
/** Distance of the discs in pixels of the map; 36 mm. */
export const PITCH = 9;
export const TO_IMAGE = [2, 0, 0, 0, 2, 0] as const;
export const SPACING = [2, 2] as const;
export const IMAGE_SIZE = [2 * SIDE, 2 * SIDE] as const;

export type Dot = readonly [x: number, y: number];

const mapOf = (dots: readonly Dot[]) =>
  Float32Array.from({ length: SIDE * SIDE }, (_, i) =>
    Math.max(
      0,
      ...dots.map(([x, y]) => 0.9 * Math.exp(-(((i % SIDE) - x) ** 2 + (Math.floor(i / SIDE) - y) ** 2) / 4)),
    ),
  );

/** Six discs in a slight lordosis, from L5/S1 upwards. */
export const DISCS: Dot[] = [...[30, 28.5, 28.5, 29.5, 31.5, 33.5].entries()].map(([i, x]) => [
  x,
  56 - i * PITCH,
]);

/** @param sacral discs that look like L5/S1; default: the lowest */
export function maps(
  discs: readonly Dot[],
  views: readonly (readonly Dot[])[] = [discs],
  sacral = discs.slice(0, 1),
): SliceMaps {
  return {
    width: SIDE,
    height: SIDE,
    disc: mapOf(discs),
    levels: [mapOf(sacral)],
    anterior: mapOf(discs.map(([x, y]) => [x - PITCH / 2, y])),
    views: views.map(mapOf),
    pitchMm: 36,
  };
}

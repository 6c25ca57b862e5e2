/** A map from 0 to 1 over a grey image, in colours from red over yellow to white. */

/** Opacity of the map at 1. */
const OPACITY = 0.65;

/**
 * Blends a map over a grey image; where the map is 0, the image is unchanged.
 *
 * @param grey from 0 to 65535
 * @param map from 0 to 1, of the same length
 * @returns uint8 RGB
 *
 * @example
 * heatOver(Uint16Array.of(65535), Float32Array.of(0)); // [255, 255, 255]
 */
export function heatOver(grey: Uint16Array, map: Float32Array): Uint8Array {
  const rgb = new Uint8Array(3 * grey.length);
  for (const [i, value] of grey.entries()) {
    const heat = map[i]!;
    const opacity = OPACITY * Math.min(1, 2 * heat);
    const colour = [1, 2 * heat - 0.4, 4 * heat - 3];
    for (const [channel, part] of colour.entries()) {
      const mixed = (1 - opacity) * (value / 65535) + opacity * Math.min(1, Math.max(0, part));
      rgb[3 * i + channel] = Math.round(255 * mixed);
    }
  }
  return rgb;
}

/** A small RGB canvas for annotated PNGs: grey images, dots, lines and short texts in a 5x7 dot-matrix font. */
import { encode } from 'fast-png';
import type { Point } from '../anatomy.js';
import type { GradeScale } from '../tasks/task.js';

export type Colour = readonly [red: number, green: number, blue: number];

export const WHITE: Colour = [255, 255, 255];
export const GREY: Colour = [150, 150, 150];
/** Okabe and Ito, "Color universal design" (2008): distinct for all common types of colour vision. */
const GREEN: Colour = [0, 158, 115];
const ORANGE: Colour = [230, 159, 0];
const VERMILLION: Colour = [213, 94, 0];
const SKY_BLUE: Colour = [86, 180, 233];
const PURPLE: Colour = [204, 121, 167];
const YELLOW: Colour = [240, 228, 66];
const PALETTE = [GREEN, ORANGE, SKY_BLUE, VERMILLION, PURPLE, YELLOW];

/**
 * One colour per grade. Ordered grades are evenly spaced from green through orange to vermillion. Nominal grades take
 * the colours of the palette in turn.
 */
export function gradeColours({ grades, ordered }: GradeScale): Colour[] {
  return grades.map((_, grade) => {
    if (!ordered) return PALETTE[grade % PALETTE.length]!;
    const position = (2 * grade) / (grades.length - 1);
    const [from, to] = position < 1 ? [GREEN, ORANGE] : [ORANGE, VERMILLION];
    const mix = (i: 0 | 1 | 2) =>
      Math.round(from[i] + (to[i] - from[i]) * (position < 1 ? position : position - 1));
    return [mix(0), mix(1), mix(2)];
  });
}

/** Seven rows of five pixels per character. Each row is a base-32 digit; the high bit is on the left. */
const GLYPHS: Record<string, string> = {
  ...{ A: 'ehhvhhh', B: 'uhhuhhu', C: 'ehggghe', D: 'uhhhhhu', E: 'vgguggv', F: 'vgguggg', G: 'ehgnhhf' },
  ...{ H: 'hhhvhhh', I: 'e44444e', J: '72222ic', K: 'hikokih', L: 'ggggggv', M: 'hrllhhh', N: 'hhpljhh' },
  ...{ O: 'ehhhhhe', P: 'uhhuggg', Q: 'ehhhlid', R: 'uhhukih', S: 'fgge11u', T: 'v444444', U: 'hhhhhhe' },
  ...{ V: 'hhhhha4', W: 'hhhllla', X: 'hha4ahh', Y: 'hhha444', Z: 'v1248gv', '0': 'ehjlphe', '1': '4c4444e' },
  ...{ '2': 'eh1248v', '3': 'v2421he', '4': '26aiv22', '5': 'vgu11he', '6': '68guhhe', '7': 'v124888' },
  ...{ '8': 'ehhehhe', '9': 'ehhf12c', '.': '00000cc', ',': '0000448', ':': '0cc0cc0', '/': '01248g0' },
  ...{ '-': '000v000', '+': '044v440', '=': '00v0v00', '%': 'op248j3', '(': '2488842', ')': '8422248' },
  ...{ _: '000000v', ';': '0cc0448', '>': '8421248', '<': '248g842', '?': 'eh12404' },
};

const ADVANCE = 6;
export const TEXT_HEIGHT = 7;

export class Canvas {
  readonly rgb: Uint8Array;

  constructor(
    readonly width: number,
    readonly height: number,
  ) {
    this.rgb = new Uint8Array(width * height * 3);
  }

  /** Sets a pixel; does nothing outside the canvas. */
  set(x: number, y: number, colour: Colour): void {
    if (x < 0 || y < 0 || x >= this.width || y >= this.height) return;
    this.rgb.set(colour, (y * this.width + x) * 3);
  }

  /** Draws a uint16 image of `width` columns; 0 is black, 65535 is white. */
  image(pixels: Uint16Array, width: number, left: number, top: number): void {
    for (let i = 0; i < pixels.length; i++) {
      const grey = pixels[i]! >> 8;
      this.set(left + (i % width), top + Math.floor(i / width), [grey, grey, grey]);
    }
  }

  /** Draws a uint8 RGB image of `width` columns; each pixel becomes `zoom` x `zoom` pixels. */
  colours(rgb: Uint8Array, width: number, left: number, top: number, zoom = 1): void {
    for (let i = 0; i < rgb.length / 3; i++) {
      const colour: Colour = [rgb[3 * i]!, rgb[3 * i + 1]!, rgb[3 * i + 2]!];
      const [x, y] = [left + (i % width) * zoom, top + Math.floor(i / width) * zoom];
      for (let k = 0; k < zoom * zoom; k++) this.set(x + (k % zoom), y + Math.floor(k / zoom), colour);
    }
  }

  dot([x, y]: Point, radius: number, colour: Colour): void {
    for (let v = Math.ceil(y - radius); v <= y + radius; v++) {
      for (let u = Math.ceil(x - radius); u <= x + radius; u++) {
        if ((u - x) ** 2 + (v - y) ** 2 <= radius ** 2) this.set(u, v, colour);
      }
    }
  }

  line(from: Point, to: Point, colour: Colour): void {
    const steps = Math.max(1, Math.ceil(Math.hypot(to[0] - from[0], to[1] - from[1])));
    for (let i = 0; i <= steps; i++) {
      const coordinate = (axis: 0 | 1) => Math.round(from[axis] + ((to[axis] - from[axis]) * i) / steps);
      this.set(coordinate(0), coordinate(1), colour);
    }
  }

  /** Draws text in capitals, from its top left corner. Characters that are not in the font are blank. */
  text(text: string, left: number, top: number, colour: Colour = WHITE, scale = 1): void {
    for (const [i, character] of [...text.toUpperCase()].entries()) {
      const rows = [...(GLYPHS[character] ?? '')].map((digit) => Number.parseInt(digit, 32));
      for (const [y, bits] of rows.entries()) {
        for (let x = 0; x < 5; x++) {
          if ((bits & (16 >> x)) === 0) continue;
          for (let k = 0; k < scale * scale; k++) {
            const [u, v] = [k % scale, Math.floor(k / scale)];
            this.set(left + (i * ADVANCE + x) * scale + u, top + y * scale + v, colour);
          }
        }
      }
    }
  }

  png(): Uint8Array {
    return encode({ width: this.width, height: this.height, data: this.rgb, channels: 3, depth: 8 });
  }
}

/** Width of a text in pixels. */
export const textWidth = (text: string, scale = 1) => text.length * ADVANCE * scale;

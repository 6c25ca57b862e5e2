/**
 * Disc centres and boxes from segmentation masks. The labels are those of SPIDER (van der Graaf et al., Scientific Data
 * 11:264, 2024): 1 to 25 vertebrae and 201 to 225 discs, both from the sacrum upwards, and 100 the spinal canal.
 */
import { type Box, DISC_LEVELS, type Level, type Point } from '../anatomy.js';
import { toPatient } from '../dicom/geometry.js';
import { SpinegradError } from '../error.js';
import type { SourceSlice } from './series.js';

/** A disc in pixels of its slice. */
export interface MaskDisc {
  level: Level;
  /** Centre of the box, as in data sets that have boxes only. */
  centre: Point;
  box: Box;
}

const CANAL = 100;
const L5_S1 = 201;

/** Slices whose canal has at least this fraction of the largest cross-section can be the canal slice. */
const CANAL_FRACTION = 0.9;

/**
 * Pieces of one label belong to one disc if they are closer than this fraction of the width of the widest piece, about 4 mm.
 * Discs of neighbouring levels are more than 15 mm apart.
 */
const GAP_FRACTION = 1 / 8;

/** A region below this fraction of the median area of the discs of its slice is no disc. */
const MIN_AREA_FRACTION = 0.2;

/**
 * The canal slice of a SPIDER mask and its discs.
 *
 * Canal slice: among the sagittal slices on which the canal has at least 90 % of its largest cross-section, the one nearest
 * to the centre of mass of the canal. The largest cross-section alone would be a slice next to the midline if several
 * slices differ by a few pixels.
 *
 * A disc is the largest connected region of its label. A region below a fifth of the median area of the discs of the slice
 * is left out: it is a stray label, or a disc at the border of the image whose centre is not visible.
 *
 * @param mask slices from `readMha`, from the patient's right to the left
 * @returns the slice, and its discs from L5/S1 upwards
 * @throws SpinegradError ERR_MASK if no voxel has the label of the canal
 *
 * @example
 * const { slice, discs } = discsFromMask(await readMha('SPIDER/masks/1_t2.mha'));
 */
export function discsFromMask(mask: readonly SourceSlice[]): { slice: SourceSlice; discs: MaskDisc[] } {
  const slice = canalSliceOf(mask);
  const regions = DISC_LEVELS.toReversed().map((level, i) => ({
    level,
    region: regionsOf(slice, L5_S1 + i).reduce<Region | null>(largest, null),
  }));
  const area = minimumArea(regions.flatMap(({ region }) => region ?? []));
  const discs = regions.flatMap(({ level, region }) =>
    region === null || region.area < area ? [] : [{ level, centre: region.centre, box: region.box }],
  );
  return { slice, discs };
}

/**
 * The discs of a mask that has one label for all discs: its regions, from the sacrum upwards. The lowest is taken for L5/S1.
 * Pieces that are about 4 mm apart are joined, and regions below a fifth of the median area are left out.
 *
 * @param count number of discs of the patient that the image shows, at most that of DISC_LEVELS
 * @returns null if the number of regions differs, because a disc in two pieces or without pixels shifts the levels above it
 */
export function discsFromRegions(slice: SourceSlice, label: number, count: number): MaskDisc[] | null {
  const width = Math.max(0, ...regionsOf(slice, label).map(({ box }) => box[2] - box[0]));
  const regions = regionsOf(slice, label, Math.max(1, Math.round(GAP_FRACTION * width)));
  const area = minimumArea(regions);
  const discs = regions.filter((region) => region.area >= area);
  if (discs.length !== count || count > DISC_LEVELS.length) return null;
  return discs
    .sort((a, b) => heightOf(slice, a.centre) - heightOf(slice, b.centre))
    .map(({ centre, box }, i) => ({ level: DISC_LEVELS.at(-1 - i)!, centre, box }));
}

function canalSliceOf(mask: readonly SourceSlice[]): SourceSlice {
  const areas = mask.map(({ pixels }) => {
    let area = 0;
    for (const value of pixels) if (value === CANAL) area++;
    return area;
  });
  const total = areas.reduce((a, b) => a + b, 0);
  if (total === 0) {
    throw new SpinegradError(
      'ERR_MASK',
      `${mask[0]?.path}: found no voxel of the spinal canal; expected the labels of SPIDER, with ${CANAL} for the canal`,
    );
  }
  const centre = areas.reduce((sum, area, i) => sum + area * i, 0) / total;
  const threshold = CANAL_FRACTION * Math.max(...areas);
  const candidates = [...areas.keys()].filter((i) => areas[i]! >= threshold);
  const nearest = candidates.reduce((a, b) => (Math.abs(b - centre) < Math.abs(a - centre) ? b : a));
  return mask[nearest]!;
}

/** Position along the patient's superior axis; without geometry, superior is up. */
function heightOf({ geometry, pixelSpacing }: SourceSlice, [x, y]: Point): number {
  return geometry === null ? -y : toPatient(geometry, pixelSpacing ?? [1, 1], x, y)[2];
}

interface Region {
  area: number;
  centre: Point;
  box: Box;
}

const largest = (a: Region | null, b: Region): Region => (a === null || b.area > a.area ? b : a);

function minimumArea(regions: readonly Region[]): number {
  const areas = regions.map(({ area }) => area).sort((a, b) => a - b);
  return MIN_AREA_FRACTION * (areas[areas.length >> 1] ?? 0);
}

/** The regions of the pixels with a label. Two pixels are connected if they are at most `reach` rows and columns apart. */
function regionsOf({ pixels, columns, rows }: SourceSlice, label: number, reach = 1): Region[] {
  const open = new Uint8Array(pixels.length);
  for (let i = 0; i < pixels.length; i++) if (pixels[i] === label) open[i] = 1;
  const regions: Region[] = [];
  for (let first = open.indexOf(1); first >= 0; first = open.indexOf(1, first)) {
    open[first] = 0;
    const region = [first];
    let left = columns;
    let top = rows;
    let right = 0;
    let bottom = 0;
    for (let i = 0; i < region.length; i++) {
      const x = region[i]! % columns;
      const y = (region[i]! - x) / columns;
      left = Math.min(left, x);
      top = Math.min(top, y);
      right = Math.max(right, x);
      bottom = Math.max(bottom, y);
      const lastRow = Math.min(rows - 1, y + reach);
      const lastColumn = Math.min(columns - 1, x + reach);
      for (let v = Math.max(0, y - reach); v <= lastRow; v++) {
        for (let u = Math.max(0, x - reach); u <= lastColumn; u++) {
          const neighbour = v * columns + u;
          if (open[neighbour] === 0) continue;
          open[neighbour] = 0;
          region.push(neighbour);
        }
      }
    }
    const centre: Point = [(left + right) / 2, (top + bottom) / 2];
    regions.push({ area: region.length, centre, box: [left, top, right, bottom] });
  }
  return regions;
}

/**
 * The crops of the located discs: one per slot of the grader's input. A fused model also uses the other series of the
 * study, at the position of the disc in the patient. What is missing is masked.
 */

import type { Point } from '../anatomy.js';
import { type ImageSlice, openSeries } from '../data/images.js';
import { placeOn } from '../data/place.js';
import { clampToImage, cropRoi, pointInPatient } from '../data/roi.js';
import { neighbours, type SourceSlice } from '../data/series.js';
import { type Series, seriesOfKind } from '../dicom/series.js';
import type { ModelDescription } from '../model/bundle.js';
import type { Slots } from '../model/fusion/input.js';
import type { CropSet } from '../model/grade.js';
import type { LocatedDisc } from '../model/locate.js';
import { seriesNamed } from '../tasks/index.js';
import type { Oriented } from './orientation.js';

export interface Source {
  slice: SourceSlice;
  slices: readonly SourceSlice[];
  study: readonly Series[];
}

/**
 * Cuts the crops of discs.
 *
 * @param source the slice on which the discs were located, its stack, and all series of the study
 * @param oriented where the discs were located
 * @param scaled the slice of `oriented` with a pixel spacing
 * @returns the crops, and the names of the series that are missing for at least one disc
 */
export async function cutDiscs(
  { roi, input: { spec }, trainedOn: { tasks } }: Pick<ModelDescription, 'roi' | 'input' | 'trainedOn'>,
  { slice: stored, slices, study }: Source,
  { slice, agreesWithHeader }: Pick<Oriented, 'slice' | 'agreesWithHeader'>,
  scaled: SourceSlice,
  discs: readonly Pick<LocatedDisc, 'point'>[],
): Promise<{ crops: CropSet; missing: string[] }> {
  const pixels: Uint16Array[] = [];
  const cut = (source: SourceSlice, point: Point): number => {
    const centre = clampToImage(point, [source.columns, source.rows]);
    return pixels.push(cropRoi(source, centre, roi).pixels) - 1;
  };
  const count = (spec.slices - 1) / 2;
  const empty = () => new Array<number | null>(spec.slices).fill(null);

  const stack = neighbours(slices, stored, count);
  /** The slots of the series on which the disc was located. The other slices are oriented and scaled as its own. */
  const own = ({ point }: Pick<LocatedDisc, 'point'>) => {
    const slots = empty();
    const { geometry, pixelSpacing } = scaled;
    for (const { slice: source, offset } of stack) {
      slots[offset + count] = cut({ ...source, geometry, pixelSpacing }, point);
    }
    return slots;
  };
  const projected = async ({ point }: Pick<LocatedDisc, 'point'>, other: readonly ImageSlice[]) => {
    const slots = empty();
    const inPatient = agreesWithHeader === true ? pointInPatient(slice, point) : null;
    const placed = inPatient && (await placeOn(other, inPatient));
    if (!placed) return slots;
    for (const { slice: entry, offset } of neighbours(other, placed.entry, count)) {
      slots[offset + count] = cut(await entry.read(), placed.centre);
    }
    return slots;
  };

  const { name: primary, weighting } = tasks[0]!.series[0]!;
  const kinds = spec.series.map((name) => seriesNamed(name, tasks));
  const fitting = kinds.findIndex((kind) => kind?.plane === 'sagittal' && kind.weighting === weighting);
  const located = spec.series.includes(primary) ? spec.series.indexOf(primary) : fitting;
  const others = kinds.map((kind) => {
    const found = kind && seriesOfKind(study, kind)[0];
    return found ? openSeries(found) : [];
  });
  const missing = new Set<string>();
  const all: Slots[] = [];
  for (const disc of discs) {
    if (spec.fusion === 'none') {
      all.push(own(disc));
      continue;
    }
    const slots: (number | null)[] = [];
    for (const [index, name] of spec.series.entries()) {
      const ofSeries = index === located ? own(disc) : await projected(disc, others[index]!);
      if (ofSeries.every((row) => row === null)) missing.add(name);
      slots.push(...ofSeries);
    }
    all.push(slots);
  }
  const area = roi.size ** 2;
  const bank = new Uint16Array(pixels.length * area);
  pixels.forEach((crop, index) => {
    bank.set(crop, index * area);
  });
  return { crops: { pixels: bank, size: roi.size, discs: all }, missing: [...missing] };
}

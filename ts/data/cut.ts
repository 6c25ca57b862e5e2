/**
 * One study of the RSNA layout, cut: its discs' ROIs on the annotated slice and the neighbouring ones, and the
 * letterboxed canal slice for the localizer. Files that cannot be used are reported and cost only the discs that
 * need them.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { LEVELS, type Level, type Point } from '../anatomy.js';
import { planeOf } from '../dicom/geometry.js';
import { readHeader } from '../dicom/read.js';
import type { DicomImage } from '../dicom/types.js';
import { type Skipped, SpinegradError } from '../error.js';
import { applyAffine, invertAffine } from './affine.js';
import { cropRoi, letterboxSlice, pointInPatient } from './roi.js';
import { type RsnaData, type RsnaDisc, type RsnaStudy, seriesFolder } from './rsna.js';
import { dicomSlices, neighbours, type SlicePlace, type SourceSlice } from './series.js';
import type { RoiRecord, RoiSpec, SliceRecord } from './types.js';

export interface CutSpec extends Pick<RsnaData, 'dataDir' | 'task'> {
  roi: RoiSpec;
  sliceSize: number;
}

/** What only the whole bank knows is left open: row, disc and split. */
export type CutRoi = Omit<RoiRecord, 'row' | 'disc' | 'split'> & { pixels: Uint16Array };
export type CutSlice = Omit<SliceRecord, 'row' | 'split'> & { pixels: Uint16Array };

export interface CutStudy {
  studyId: string;
  /** One entry a disc; its first ROI is the one on the annotated slice. */
  discs: CutRoi[][];
  /** Null for axial conditions, and where no disc could be cut. */
  slice: CutSlice | null;
  skipped: Skipped[];
}

type SpacedSlice = SourceSlice & { pixelSpacing: readonly [number, number] };
type Place = SlicePlace & { file: string };

/** Never rejects for what is wrong with the study's files. */
export async function cutStudy(
  study: RsnaStudy,
  spec: CutSpec,
  read: (path: string) => Promise<DicomImage>,
): Promise<CutStudy> {
  return new StudyCutter(study, spec, read).cut();
}

class StudyCutter {
  private readonly skipped: Skipped[] = [];
  private readonly slices = new Map<string, Promise<SpacedSlice>>();
  private readonly places = new Map<string, Promise<Place[]>>();

  constructor(
    private readonly study: RsnaStudy,
    private readonly spec: CutSpec,
    private readonly read: (path: string) => Promise<DicomImage>,
  ) {}

  async cut(): Promise<CutStudy> {
    const used: RsnaDisc[] = [];
    const discs: CutRoi[][] = [];
    for (const disc of this.study.discs) {
      const rois = await this.cutDisc(disc);
      if (rois.length === 0) continue;
      used.push(disc);
      discs.push(rois);
    }
    const sagittal = this.spec.task.series.plane === 'sagittal';
    const slice = sagittal && used.length > 0 ? await this.cutSlice(used) : null;
    return { studyId: this.study.studyId, discs, slice, skipped: this.skipped };
  }

  private async cutDisc(disc: RsnaDisc): Promise<CutRoi[]> {
    const file = this.fileOf(disc);
    try {
      const annotated = await this.annotated(disc, file);
      const rois = [this.roi(disc, file, annotated, 0)];
      for (const { slice, offset } of await this.around(disc, file, annotated)) {
        try {
          rois.push(this.roi(disc, slice.file, await this.slice(slice.file), offset));
        } catch (error) {
          this.report(slice.file, error, 'this neighbouring slice is left out');
        }
      }
      return rois;
    } catch (error) {
      this.report(file, error, `${disc.level} left out`);
      return [];
    }
  }

  private roi(disc: RsnaDisc, file: string, slice: SpacedSlice, sliceOffset: number): CutRoi {
    const centrePx: Point = [disc.x, disc.y];
    const { pixels, toImage, window } = cropRoi(slice, centrePx, this.spec.roi);
    return {
      studyId: this.study.studyId,
      seriesId: disc.seriesId,
      instanceNumber: instanceOf(file),
      file,
      level: disc.level,
      grade: disc.grade,
      sliceOffset,
      centrePx,
      centreMm: pointInPatient(slice, centrePx),
      pixelSpacing: slice.pixelSpacing,
      toImage,
      window,
      pixels,
    };
  }

  /** The slice on which most discs are annotated, of the series that has most of them. */
  private async cutSlice(discs: readonly RsnaDisc[]): Promise<CutSlice> {
    const seriesId = mostFrequent(discs.map((disc) => disc.seriesId));
    const shown = discs.filter((disc) => disc.seriesId === seriesId);
    const instance = mostFrequent(shown.map((disc) => disc.instanceNumber));
    const file = this.fileOf(shown.find((disc) => disc.instanceNumber === instance)!);
    const slice = await this.slice(file);
    const { pixels, toImage, window } = letterboxSlice(slice, this.spec.sliceSize);
    const toSlice = invertAffine(toImage);
    const centreOf = (level: Level): Point | null => {
      const disc = shown.find((candidate) => candidate.level === level);
      return disc === undefined ? null : applyAffine(toSlice, [disc.x, disc.y]);
    };
    return {
      studyId: this.study.studyId,
      seriesId,
      instanceNumber: instance,
      file,
      imageSize: [slice.columns, slice.rows],
      pixelSpacing: slice.pixelSpacing,
      toImage,
      window,
      centres: Object.fromEntries(LEVELS.map((level) => [level, centreOf(level)])) as SliceRecord['centres'],
      pixels,
    };
  }

  private async annotated(disc: RsnaDisc, file: string): Promise<SpacedSlice> {
    const places = await this.series(disc.seriesId);
    if (places.length === 0) {
      throw new SpinegradError('ERR_SERIES_EMPTY', 'found no .dcm file in the series folder');
    }
    if (!places.some((place) => place.file === file)) {
      throw new SpinegradError(
        'ERR_INSTANCE_MISSING',
        `found no such file among ${places.length} of the series`,
      );
    }
    const slice = await this.slice(file);
    const plane = slice.geometry && planeOf(slice.geometry);
    const { series } = this.spec.task;
    if (plane !== null && plane !== 'oblique' && plane !== series.plane) {
      throw new SpinegradError(
        'ERR_PLANE',
        `found an image of plane ${plane}, expected ${series.description}`,
      );
    }
    return slice;
  }

  private async around(disc: RsnaDisc, file: string, annotated: SpacedSlice) {
    if (this.spec.roi.neighbours === 0) return [];
    const others = (await this.series(disc.seriesId)).filter((place) => place.file !== file);
    const known = others.filter((place) => (place.geometry === null) === (annotated.geometry === null));
    const centre: Place = { ...annotated, file };
    return neighbours([centre, ...known], centre, this.spec.roi.neighbours).filter(
      ({ offset }) => offset !== 0,
    );
  }

  /** Files of a series with their places; without neighbours to find, the headers stay unread. */
  private series(seriesId: string): Promise<Place[]> {
    return remember(this.places, seriesId, async () => {
      const folder = seriesFolder('', this.study.studyId, seriesId);
      const names = await readdir(join(this.spec.dataDir, folder));
      const places: Place[] = [];
      for (const name of names.filter((each) => each.endsWith('.dcm')).sort()) {
        const file = join(folder, name);
        const place = { file, instanceNumber: instanceOf(file), geometry: null };
        if (this.spec.roi.neighbours === 0) {
          places.push(place);
          continue;
        }
        try {
          places.push({ ...place, geometry: (await readHeader(join(this.spec.dataDir, file))).geometry });
        } catch (error) {
          this.report(file, error, 'not used as a neighbouring slice');
          places.push(place);
        }
      }
      return places;
    });
  }

  private slice(file: string): Promise<SpacedSlice> {
    return remember(this.slices, file, async () => {
      const frames = dicomSlices(await this.read(join(this.spec.dataDir, file)));
      const [frame] = frames;
      if (frame === undefined || frames.length > 1) {
        throw new SpinegradError('ERR_FRAMES', `found ${frames.length} frames, expected one slice a file`);
      }
      if (frame.pixelSpacing === null) {
        throw new SpinegradError('ERR_PIXEL_SPACING', 'found no pixel spacing (0028,0030)');
      }
      return { ...frame, pixelSpacing: frame.pixelSpacing };
    });
  }

  private fileOf(disc: RsnaDisc): string {
    return join(seriesFolder('', this.study.studyId, disc.seriesId), `${disc.instanceNumber}.dcm`);
  }

  private report(path: string, error: unknown, outcome: string): void {
    const code = error instanceof SpinegradError ? error.code : 'ERR_READ';
    const { message } = error as Error;
    const said = this.skipped.find((entry) => entry.path === path && entry.message.startsWith(message));
    if (said === undefined) this.skipped.push({ path, code, message: `${message}; ${outcome}` });
    else if (!said.message.endsWith(outcome)) said.message += `; ${outcome}`;
  }
}

const instanceOf = (file: string) => Number.parseInt(file.slice(file.lastIndexOf('/') + 1), 10);

/** The value that occurs most often; of equals, the first. */
function mostFrequent<T>(values: readonly T[]): T {
  const count = (value: T) => values.filter((each) => each === value).length;
  return values.reduce((best, value) => (count(value) > count(best) ? value : best));
}

function remember<K, V>(memory: Map<K, Promise<V>>, key: K, make: () => Promise<V>): Promise<V> {
  const known = memory.get(key) ?? make();
  memory.set(key, known);
  return known;
}

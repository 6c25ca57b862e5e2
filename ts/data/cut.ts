/**
 * Cuts one study of the RSNA layout: the ROIs of its discs on the annotated and the neighbouring slices, and the
 * letterboxed canal slice for the localizer. A file that cannot be used is reported and affects only its discs.
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
import { dicomSlices, neighbours, type SlicePosition, type SourceSlice } from './series.js';
import type { RoiRecord, RoiSpec, SliceRecord } from './types.js';

export interface CutSpec extends Pick<RsnaData, 'dataDir' | 'task'> {
  roi: RoiSpec;
  sliceSize: number;
}

/** A ROI record without the fields that depend on the bank. */
export type CutRoi = Omit<RoiRecord, 'row' | 'disc' | 'split'> & { pixels: Uint16Array };
/** A slice record without the fields that depend on the bank. */
export type CutSlice = Omit<SliceRecord, 'row' | 'split'> & { pixels: Uint16Array };

export interface CutStudy {
  studyId: string;
  /** ROIs per disc; the first one is on the annotated slice. */
  discs: CutRoi[][];
  /** Null for axial tasks, and if no disc could be cut. */
  slice: CutSlice | null;
  skipped: Skipped[];
}

type SpacedSlice = SourceSlice & { pixelSpacing: readonly [number, number] };
type SeriesFile = SlicePosition & { file: string };

/** Cuts a study. Invalid files are listed in `skipped`; they do not reject. */
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
  private readonly files = new Map<string, Promise<SeriesFile[]>>();

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
      for (const { slice, offset } of await this.neighboursOf(disc, file, annotated)) {
        try {
          rois.push(this.roi(disc, slice.file, await this.slice(slice.file), offset));
        } catch (error) {
          this.report(slice.file, error, 'neighbouring slice skipped');
        }
      }
      return rois;
    } catch (error) {
      this.report(file, error, `${disc.level} skipped`);
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

  /** The slice with the most annotated discs, in the series with the most annotated discs. */
  private async cutSlice(discs: readonly RsnaDisc[]): Promise<CutSlice> {
    const seriesId = mostFrequent(discs.map((disc) => disc.seriesId));
    const inSeries = discs.filter((disc) => disc.seriesId === seriesId);
    const instance = mostFrequent(inSeries.map((disc) => disc.instanceNumber));
    const file = this.fileOf(inSeries.find((disc) => disc.instanceNumber === instance)!);
    const slice = await this.slice(file);
    const { pixels, toImage, window } = letterboxSlice(slice, this.spec.sliceSize);
    const toSlice = invertAffine(toImage);
    const centreOf = (level: Level): Point | null => {
      const disc = inSeries.find((candidate) => candidate.level === level);
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
    const files = await this.series(disc.seriesId);
    if (files.length === 0) {
      throw new SpinegradError('ERR_SERIES_EMPTY', 'the series folder has no .dcm file');
    }
    if (!files.some((entry) => entry.file === file)) {
      throw new SpinegradError(
        'ERR_INSTANCE_MISSING',
        `there is no such file among the ${files.length} of the series`,
      );
    }
    const slice = await this.slice(file);
    const plane = slice.geometry && planeOf(slice.geometry);
    const { series } = this.spec.task;
    if (plane !== null && plane !== 'oblique' && plane !== series.plane) {
      throw new SpinegradError(
        'ERR_PLANE',
        `the plane is ${plane}, expected ${series.plane} (${series.description})`,
      );
    }
    return slice;
  }

  private async neighboursOf(disc: RsnaDisc, file: string, annotated: SpacedSlice) {
    if (this.spec.roi.neighbours === 0) return [];
    const others = (await this.series(disc.seriesId)).filter((entry) => entry.file !== file);
    const comparable = others.filter(({ geometry }) => (geometry === null) === (annotated.geometry === null));
    const centre: SeriesFile = { ...annotated, file };
    return neighbours([centre, ...comparable], centre, this.spec.roi.neighbours).filter(
      ({ offset }) => offset !== 0,
    );
  }

  /** The files of a series with their positions. Headers are read only if neighbours are requested. */
  private series(seriesId: string): Promise<SeriesFile[]> {
    return memoize(this.files, seriesId, async () => {
      const folder = seriesFolder('', this.study.studyId, seriesId);
      const names = await readdir(join(this.spec.dataDir, folder));
      const files: SeriesFile[] = [];
      for (const name of names.filter((entry) => entry.endsWith('.dcm')).sort()) {
        const file = join(folder, name);
        const unlocated = { file, instanceNumber: instanceOf(file), geometry: null };
        if (this.spec.roi.neighbours === 0) {
          files.push(unlocated);
          continue;
        }
        try {
          files.push({ ...unlocated, geometry: (await readHeader(join(this.spec.dataDir, file))).geometry });
        } catch (error) {
          this.report(file, error, 'not used as a neighbouring slice');
          files.push(unlocated);
        }
      }
      return files;
    });
  }

  private slice(file: string): Promise<SpacedSlice> {
    return memoize(this.slices, file, async () => {
      const frames = dicomSlices(await this.read(join(this.spec.dataDir, file)));
      const [frame] = frames;
      if (frame === undefined || frames.length > 1) {
        throw new SpinegradError('ERR_FRAMES', `the file has ${frames.length} frames, expected 1`);
      }
      if (frame.pixelSpacing === null) {
        throw new SpinegradError('ERR_PIXEL_SPACING', 'Pixel Spacing (0028,0030) is missing');
      }
      return { ...frame, pixelSpacing: frame.pixelSpacing };
    });
  }

  private fileOf(disc: RsnaDisc): string {
    return join(seriesFolder('', this.study.studyId, disc.seriesId), `${disc.instanceNumber}.dcm`);
  }

  /** Adds an entry to `skipped`, or `outcome` to an existing entry of the same file and error. */
  private report(path: string, error: unknown, outcome: string): void {
    const code = error instanceof SpinegradError ? error.code : 'ERR_FILE_READ';
    const { message } = error as Error;
    const existing = this.skipped.find((entry) => entry.path === path && entry.message.startsWith(message));
    if (existing === undefined) this.skipped.push({ path, code, message: `${message}; ${outcome}` });
    else if (!existing.message.endsWith(outcome)) existing.message += `; ${outcome}`;
  }
}

const instanceOf = (file: string) => Number.parseInt(file.slice(file.lastIndexOf('/') + 1), 10);

/** The most frequent value; the first one of a tie. */
function mostFrequent<T>(values: readonly T[]): T {
  const count = (value: T) => values.filter((other) => other === value).length;
  return values.reduce((best, value) => (count(value) > count(best) ? value : best));
}

function memoize<K, V>(cache: Map<K, Promise<V>>, key: K, compute: () => Promise<V>): Promise<V> {
  const result = cache.get(key) ?? compute();
  cache.set(key, result);
  return result;
}

/**
 * Reads the attributes that this project uses. Classic objects have them at the top level of the data set, enhanced
 * multi-frame objects in shared or per-frame functional groups (PS3.3 C.7.6.16).
 */
import type { DataSet } from 'dicom-parser';
import { firstItem, itemsOf, numberOf, numbersOf, PIXEL_DATA, textOf } from './dataset.js';
import { geometryFrom } from './geometry.js';
import type { DicomHeader, Geometry } from './types.js';

const SHARED_FUNCTIONAL_GROUPS = 'x52009229';
const PER_FRAME_FUNCTIONAL_GROUPS = 'x52009230';
const PLANE_POSITION = 'x00209113';
const PLANE_ORIENTATION = 'x00209116';
const PIXEL_MEASURES = 'x00289110';
const MR_TIMING = 'x00189112';
const MR_ECHO = 'x00189114';

/** The header of a parsed data set. */
export function headerOf(dataSet: DataSet, transferSyntax: string, path: string): DicomHeader {
  const measures = macroOf(dataSet, 0, PIXEL_MEASURES);
  const bitsAllocated = dataSet.uint16('x00280100') ?? null;
  const bitsStored = dataSet.uint16('x00280101') ?? bitsAllocated;
  return {
    path,
    transferSyntax,
    sopClassUid: textOf(dataSet, 'x00080016'),
    studyInstanceUid: textOf(dataSet, 'x0020000d'),
    seriesInstanceUid: textOf(dataSet, 'x0020000e'),
    instanceNumber: numberOf(dataSet, 'x00200013'),
    modality: textOf(dataSet, 'x00080060'),
    seriesDescription: textOf(dataSet, 'x0008103e'),
    bodyPart: textOf(dataSet, 'x00180015'),
    manufacturer: textOf(dataSet, 'x00080070'),
    patientPosition: textOf(dataSet, 'x00185100'),
    echoTime: numberOf(dataSet, 'x00180081') ?? macroOf(dataSet, 0, MR_ECHO).double('x00189082') ?? null,
    repetitionTime: numberOf(macroOf(dataSet, 0, MR_TIMING), 'x00180080'),
    inversionTime: numberOf(dataSet, 'x00180082'),
    hasPixelData: dataSet.elements[PIXEL_DATA] !== undefined,
    rows: dataSet.uint16('x00280010') ?? null,
    columns: dataSet.uint16('x00280011') ?? null,
    frames: numberOf(dataSet, 'x00280008') ?? 1,
    photometricInterpretation: textOf(dataSet, 'x00280004'),
    samplesPerPixel: dataSet.uint16('x00280002') ?? 1,
    bitsAllocated,
    bitsStored,
    highBit: dataSet.uint16('x00280102') ?? (bitsStored === null ? null : bitsStored - 1),
    signed: dataSet.uint16('x00280103') === 1,
    pixelSpacing: pairOf(numbersOf(measures, 'x00280030')),
    sliceSpacing: numberOf(measures, 'x00180088') ?? numberOf(measures, 'x00180050'),
    geometry: frameGeometry(dataSet, 0),
  };
}

/** Image plane of one frame; null if it is missing or invalid. */
export function frameGeometry(dataSet: DataSet, frame: number): Geometry | null {
  return geometryFrom(
    numbersOf(macroOf(dataSet, frame, PLANE_ORIENTATION), 'x00200037'),
    numbersOf(macroOf(dataSet, frame, PLANE_POSITION), 'x00200032'),
  );
}

/**
 * The data set with the attributes of a functional group macro for one frame: the per-frame group, else the shared
 * group, else the top level, as in classic objects.
 */
export function macroOf(dataSet: DataSet, frame: number, macro: string): DataSet {
  const perFrame = itemsOf(dataSet, PER_FRAME_FUNCTIONAL_GROUPS)[frame]?.dataSet;
  const shared = firstItem(dataSet, SHARED_FUNCTIONAL_GROUPS);
  return (perFrame && firstItem(perFrame, macro)) ?? (shared && firstItem(shared, macro)) ?? dataSet;
}

function pairOf(values: number[] | null): readonly [number, number] | null {
  const [row, column] = values ?? [];
  return row !== undefined && column !== undefined && row > 0 && column > 0 ? [row, column] : null;
}

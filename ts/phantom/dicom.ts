/** Encodes a slice as a DICOM file: MR Image Storage, Explicit VR Little Endian, 16 bits (PS3.3 A.4, C.8.3.1). */
import dcmjs from 'dcmjs';
import type { AxialStudy } from './axial.js';
import { identityOf } from './identity.js';
import { inversionTime } from './sequence.js';
import { PHANTOM_SERIES, type PhantomStudy, xInSlice } from './study.js';

const MR_IMAGE_STORAGE = '1.2.840.10008.5.1.4.1.1.4';
const EXPLICIT_LITTLE_ENDIAN = '1.2.840.10008.1.2.1';

/** Where the stored image is in the patient: values of Image Position and Image Orientation (Patient), mm. */
interface StoredPlane {
  readonly position: readonly number[];
  readonly orientation: readonly number[];
}

function storedPlane(study: PhantomStudy | AxialStudy, slice: number): StoredPlane {
  const { acquisition: a } = study;
  if ('planes' in study) {
    const { y, z, angle } = study.planes[slice]!;
    const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
    const xFirst = a.z0 - (a.rows - 1) * a.spacing;
    return { position: [xFirst, y + a.y0 * cos, z + a.y0 * sin], orientation: [1, 0, 0, 0, cos, sin] };
  }
  const [cos, sin] = [Math.cos(a.obliquity), Math.sin(a.obliquity)];
  const sign = a.mirrored ? -1 : 1;
  const yFirst = a.mirrored ? a.y0 + (a.columns - 1) * a.spacing : a.y0;
  return {
    position: [xInSlice(a, slice, yFirst), yFirst * cos, a.z0],
    orientation: [sign * sin, sign * cos, 0, 0, 0, -1],
  };
}

/** The bytes of the file of slice `slice`, counted from 0. */
export function encodeSlice(
  study: PhantomStudy | AxialStudy,
  slice: number,
  pixels: Uint16Array,
): Uint8Array {
  const { acquisition: a, seed } = study;
  const { studyId, uid } = identityOf(seed, study.index);
  const order = PHANTOM_SERIES.indexOf(study.series);
  const instance = `2.25.${uid}${order || ''}${String(slice + 1).padStart(4, '0')}`;
  const { position, orientation } = storedPlane(study, slice);
  const [columns, rows] = 'planes' in study ? [a.rows, a.columns] : [a.columns, a.rows];
  const { minimum, maximum } = range(pixels);
  const inversion = inversionTime(a);

  const file = new dcmjs.data.DicomDict({
    '00020001': { vr: 'OB', Value: [new Uint8Array([0, 1]).buffer] },
    '00020002': { vr: 'UI', Value: [MR_IMAGE_STORAGE] },
    '00020003': { vr: 'UI', Value: [instance] },
    '00020010': { vr: 'UI', Value: [EXPLICIT_LITTLE_ENDIAN] },
    '00020012': { vr: 'UI', Value: ['2.25.80302813137786398554742050926734630921'] },
    '00020013': { vr: 'SH', Value: ['SPINEGRAD'] },
  });
  file.dict = {
    '00080005': { vr: 'CS', Value: ['ISO_IR 100'] },
    '00080008': { vr: 'CS', Value: ['DERIVED', 'SECONDARY', 'OTHER'] },
    '00080016': { vr: 'UI', Value: [MR_IMAGE_STORAGE] },
    '00080018': { vr: 'UI', Value: [instance] },
    '00080020': { vr: 'DA', Value: [''] },
    '00080030': { vr: 'TM', Value: [''] },
    '00080050': { vr: 'SH', Value: [''] },
    '00080060': { vr: 'CS', Value: ['MR'] },
    '00080070': { vr: 'LO', Value: ['spinegrad'] },
    '00080090': { vr: 'PN', Value: [''] },
    '00081030': { vr: 'LO', Value: ['SYNTHETIC PHANTOM, not a patient'] },
    '0008103E': { vr: 'LO', Value: [study.series] },
    '00100010': { vr: 'PN', Value: [`PHANTOM^${studyId}`] },
    '00100020': { vr: 'LO', Value: [studyId] },
    '00100030': { vr: 'DA', Value: [''] },
    '00100040': { vr: 'CS', Value: [''] },
    '00180015': { vr: 'CS', Value: ['LSPINE'] },
    '00180020': { vr: 'CS', Value: inversion === null ? ['SE'] : ['SE', 'IR'] },
    '00180021': { vr: 'CS', Value: ['SK'] },
    '00180022': { vr: 'CS', Value: [a.suppression === 'none' ? '' : 'FS'] },
    '00180023': { vr: 'CS', Value: ['2D'] },
    '00180050': { vr: 'DS', Value: [decimal(a.sliceThickness)] },
    '00180080': { vr: 'DS', Value: [decimal(a.repetitionTime)] },
    '00180081': { vr: 'DS', Value: [decimal(a.echoTime)] },
    ...(inversion === null ? {} : { '00180082': { vr: 'DS', Value: [decimal(Math.round(inversion))] } }),
    '00180087': { vr: 'DS', Value: [decimal(a.fieldStrength)] },
    '00180088': { vr: 'DS', Value: [decimal(a.sliceSpacing)] },
    '00180091': { vr: 'IS', Value: ['16'] },
    '00185100': { vr: 'CS', Value: ['HFS'] },
    '0020000D': { vr: 'UI', Value: [`2.25.${uid}1`] },
    '0020000E': { vr: 'UI', Value: [`2.25.${uid}${order === 0 ? 2 : 3 + order}`] },
    '00200010': { vr: 'SH', Value: [studyId] },
    '00200011': { vr: 'IS', Value: [String(order + 1)] },
    '00200013': { vr: 'IS', Value: [String(slice + 1)] },
    '00200032': { vr: 'DS', Value: position.map(decimal) },
    '00200037': { vr: 'DS', Value: orientation.map(decimal) },
    '00200052': { vr: 'UI', Value: [`2.25.${uid}3`] },
    '00201040': { vr: 'LO', Value: [''] },
    '00280002': { vr: 'US', Value: [1] },
    '00280004': { vr: 'CS', Value: ['MONOCHROME2'] },
    '00280010': { vr: 'US', Value: [rows] },
    '00280011': { vr: 'US', Value: [columns] },
    '00280030': { vr: 'DS', Value: [decimal(a.spacing), decimal(a.spacing)] },
    '00280100': { vr: 'US', Value: [16] },
    '00280101': { vr: 'US', Value: [12] },
    '00280102': { vr: 'US', Value: [11] },
    '00280103': { vr: 'US', Value: [0] },
    '00280106': { vr: 'US', Value: [minimum] },
    '00280107': { vr: 'US', Value: [maximum] },
    '00281050': { vr: 'DS', Value: [decimal(Math.round(a.gain * 0.55))] },
    '00281051': { vr: 'DS', Value: [decimal(Math.round(a.gain * 1.1))] },
    '7FE00010': { vr: 'OW', Value: [new Uint16Array(pixels).buffer] },
  };
  return new Uint8Array(file.write());
}

/** A DS value, at most 16 characters (PS3.5 6.2). */
function decimal(value: number): string {
  return String(Number(value.toFixed(9))).slice(0, 16);
}

function range(pixels: Uint16Array): { minimum: number; maximum: number } {
  let minimum = 65535;
  let maximum = 0;
  for (let i = 0; i < pixels.length; i++) {
    minimum = Math.min(minimum, pixels[i]!);
    maximum = Math.max(maximum, pixels[i]!);
  }
  return { minimum, maximum };
}

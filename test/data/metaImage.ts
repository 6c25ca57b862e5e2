/** Writes small MetaImage files (.mha). */
import { deflateSync } from 'node:zlib';

export interface MetaImage {
  size: readonly [number, number, number];
  /** Voxels, the first axis varies fastest; default: zeros of 16 bits. */
  values?: Uint8Array | Int16Array | Float32Array;
  compressed?: boolean;
  /** Fields that replace those of the header; undefined removes a field. */
  fields?: Record<string, string | undefined>;
}

const ELEMENT_TYPES = { Uint8Array: 'MET_UCHAR', Int16Array: 'MET_SHORT', Float32Array: 'MET_FLOAT' };

/** Directions of a sagittal volume: the voxel axes point posteriorly, inferiorly and to the patient's left. */
export const SAGITTAL = '0 1 0 0 0 -1 1 0 0';

/** The bytes of a file with the fields that SimpleITK writes. The volume is sagittal with a spacing of 0.5 x 0.5 x 4 mm. */
export function encodeMha({ size, values, compressed = false, fields = {} }: MetaImage): Buffer {
  const voxels = values ?? new Int16Array(size[0] * size[1] * size[2]);
  const raw = Buffer.from(voxels.buffer, voxels.byteOffset, voxels.byteLength);
  const data = compressed ? deflateSync(raw) : raw;
  const header = {
    ObjectType: 'Image',
    NDims: '3',
    BinaryData: 'True',
    BinaryDataByteOrderMSB: 'False',
    CompressedData: compressed ? 'True' : 'False',
    CompressedDataSize: compressed ? `${data.length}` : undefined,
    TransformMatrix: SAGITTAL,
    Offset: '0 0 0',
    CenterOfRotation: '0 0 0',
    AnatomicalOrientation: 'PIL',
    ElementSpacing: '0.5 0.5 4',
    DimSize: size.join(' '),
    ElementType: ELEMENT_TYPES[voxels.constructor.name as keyof typeof ELEMENT_TYPES],
    ...fields,
    ElementDataFile: fields.ElementDataFile ?? 'LOCAL',
  };
  const lines = Object.entries(header).filter(([, value]) => value !== undefined);
  return Buffer.concat([Buffer.from(lines.map(([key, value]) => `${key} = ${value}\n`).join('')), data]);
}

/** The part of dcmjs that the phantom uses; the package ships no types. */
declare module 'dcmjs' {
  interface Element {
    vr: string;
    Value: readonly (string | number | ArrayBuffer)[];
  }
  class DicomDict {
    constructor(meta: Record<string, Element>);
    dict: Record<string, Element>;
    write(options?: { allowInvalidVRLength?: boolean }): ArrayBuffer;
  }
  const dcmjs: { data: { DicomDict: typeof DicomDict } };
  export default dcmjs;
}

/** Names of the vertebrae of a phantom, from cranial to caudal. */
export const VERTEBRAE = ['T9', 'T10', 'T11', 'T12', 'L1', 'L2', 'L3', 'L4', 'L5', 'S1', 'S2', 'S3', 'S4'];

export const L1 = VERTEBRAE.indexOf('L1');
export const L3 = VERTEBRAE.indexOf('L3');
export const S1 = VERTEBRAE.indexOf('S1');

/**
 * A k-space that ends at a fraction of the Nyquist frequency along one axis. The image is convolved with a sinc, which
 * widens edges and adds ringing (Gibbs artefact) parallel to them. A raised cosine over the k-space reduces the ringing.
 */

/** Samples on each side of the centre of the kernel. */
const REACH = 10;

/**
 * Truncates k-space along one axis, in place.
 *
 * @param stride distance of neighbours along the axis: 1 along rows, the number of columns along columns
 * @param fraction of the k-space that was acquired, above 0 and below 1
 * @param filter strength of the raised cosine: 0 none, 1 a Hann window
 */
export function truncate(values: Float32Array, stride: number, fraction: number, filter: number): void {
  const weights = truncationKernel(fraction, filter);
  const source = values.slice();
  const end = values.length - REACH * stride;
  for (let i = REACH * stride; i < end; i++) {
    let sum = weights[0]! * source[i]!;
    for (let k = 1; k <= REACH; k++) sum += weights[k]! * (source[i - k * stride]! + source[i + k * stride]!);
    values[i] = sum;
  }
}

/** One side of the symmetric kernel, from its centre; the sum of the kernel is 1. */
export function truncationKernel(fraction: number, filter: number): Float64Array {
  const sinc = (x: number) => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));
  const weights = Float64Array.from({ length: REACH + 1 }, (_, k) => {
    const x = fraction * k;
    return (1 - filter / 2) * sinc(x) + (filter / 4) * (sinc(x - 1) + sinc(x + 1));
  });
  const sum = weights.reduce((total, weight, k) => total + (k === 0 ? 1 : 2) * weight, 0);
  return weights.map((weight) => weight / sum);
}

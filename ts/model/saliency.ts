/**
 * Where in a crop the grade comes from.
 *
 * Grad-CAM (Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization", ICCV 2017):
 * relu(sum_k w_k A_k), with the feature maps A of a stage and w_k the mean of d p / d A_k over the map; p is the probability
 * of the grade, which every head defines. Input gradients (Simonyan, Vedaldi and Zisserman, 2014): |d p / d x| per pixel.
 *
 * Maps show what the network is sensitive to, not why, and not whether it is right.
 */
import { backward, noGrad } from '../engine/autograd.js';
import { mul } from '../engine/ops/elementwise.js';
import { sum } from '../engine/ops/sum.js';
import { Tensor } from '../engine/tensor.js';
import { tidy } from '../engine/tidy.js';
import { type DiscEncoder, embeddingOf, encode, featureMaps } from './fusion/encoder.js';
import type { EncoderInput } from './fusion/input.js';
import type { Grader } from './grader.js';

/** Maps of one crop, [S, S] each, from 0 to their maximum 1. A map is 0 if the probability is 1 or 0 in float32. */
export interface SaliencyMaps {
  gradCam: Float32Array;
  gradient: Float32Array;
}

/** Minimum side of the feature map of Grad-CAM. A smaller map does not show where in the crop. */
const MIN_CELLS = 6;

/** Pixels per cell before the first stage of a ResNet. */
const STEM_STRIDE = 4;

export interface SaliencyOptions {
  /** Index of the task. */
  task: number;
  /** Per disc, the index of the grade that is explained, usually the predicted one. */
  grades: readonly number[];
  /** Per disc, the slot whose crop is shown; it must exist. */
  slots: readonly number[];
}

/**
 * Grad-CAM and input gradients of a batch of discs. Grad-CAM takes the last stage whose map has at least MIN_CELLS cells per
 * side: with crops of 96 pixels the third of four (6 x 6 cells).
 *
 * @param grader in eval mode
 * @param makeInput makes the input of `encoderInput`; the tensors are freed
 * @returns the maps of each disc
 *
 * @example
 * const [maps] = await saliency(grader, () => dataset.plain([[3]]), { task: 0, grades: [2], slots: [0] });
 */
export async function saliency(
  grader: Grader,
  makeInput: () => EncoderInput,
  { task, grades, slots }: SaliencyOptions,
): Promise<SaliencyMaps[]> {
  const input = noGrad(() => tidy(makeInput));
  const images = imagesOf(input);
  const size = images.find((image) => image !== null)!.shape[3]!;
  const stages = stagesFor(grader.encoder, size);
  const maps = noGrad(() => tidy(() => featureMaps(grader.encoder, input, stages)));
  const { mapGradients, imageGradients } = withoutParameterGradients(grader, () => {
    const scoreOf = (embedding: Tensor) => {
      const probabilities = grader.probabilities(grader.heads.forward(embedding))[task]!;
      return sum(mul(probabilities, oneHot(probabilities, grades)));
    };
    const { encoder } = grader;
    return {
      mapGradients: gradientsOf(maps, () => scoreOf(embeddingOf(encoder, maps, input, stages))),
      imageGradients: gradientsOf(images, () => scoreOf(encode(encoder, input))),
    };
  });
  const read = (tensors: readonly (Tensor | null)[]) =>
    Promise.all(tensors.map(async (tensor) => tensor && { shape: tensor.shape, data: await tensor.data() }));
  const [activations, slopes, pixels, places] = await Promise.all([
    read(maps),
    read(mapGradients),
    read(imageGradients),
    placesOf(input, slots),
  ]);
  for (const tensor of [...maps, ...mapGradients, ...imageGradients, ...tensorsOf(input)]) tensor?.dispose();
  return places.map(({ series, row, channel }) => {
    const [, channels, height, width] = activations[series]!.shape as [number, number, number, number];
    const length = channels * height * width;
    const cut = ({ data }: { data: Float32Array | Int32Array }, start: number, count: number) =>
      Float32Array.from(data.subarray(start, start + count));
    const map = classActivation(
      cut(activations[series]!, row * length, length),
      cut(slopes[series]!, row * length, length),
      height * width,
    );
    const { shape } = pixels[series]!;
    const gradient = cut(pixels[series]!, (row * shape[1]! + channel) * size * size, size * size);
    return {
      gradCam: normalised(enlarged(map, width, height, size)),
      gradient: normalised(gradient.map(Math.abs)),
    };
  });
}

/** relu(sum_k mean(slope_k) activation_k) of maps [channels, area]. */
function classActivation(activations: Float32Array, slopes: Float32Array, area: number): Float32Array {
  const map = new Float32Array(area);
  for (let start = 0; start < activations.length; start += area) {
    let weight = 0;
    for (let i = 0; i < area; i++) weight += slopes[start + i]! / area;
    for (let i = 0; i < area; i++) map[i]! += weight * activations[start + i]!;
  }
  return map.map((value) => Math.max(0, value));
}

/** Bilinear, with the same extent; beyond the centres of the outer cells, their values. */
function enlarged(map: Float32Array, width: number, height: number, size: number): Float32Array {
  const axis = (cells: number) =>
    Array.from({ length: size }, (_, i) => {
      const at = Math.min(cells - 1, Math.max(0, ((i + 0.5) * cells) / size - 0.5));
      const first = Math.floor(at);
      return { first, second: Math.min(cells - 1, first + 1), part: at - first };
    });
  const [columns, rows] = [axis(width), axis(height)];
  const mix = (a: number, b: number, part: number) => a + (b - a) * part;
  return Float32Array.from({ length: size * size }, (_, i) => {
    const [x, y] = [columns[i % size]!, rows[Math.floor(i / size)]!];
    const along = (row: number) => mix(map[row * width + x.first]!, map[row * width + x.second]!, x.part);
    return mix(along(y.first), along(y.second), y.part);
  });
}

/** Divided by the maximum, if that is above 0. */
function normalised(map: Float32Array): Float32Array {
  const largest = map.reduce((a, b) => Math.max(a, b), 0);
  return largest > 0 ? map.map((value) => value / largest) : map;
}

/** The number of stages with a large enough map; at least one. */
function stagesFor({ architecture: { strides } }: DiscEncoder, size: number): number {
  let side = size / STEM_STRIDE;
  let stages = 0;
  for (const stride of strides) {
    side /= stride;
    if (side < MIN_CELLS) break;
    stages++;
  }
  return Math.max(1, stages);
}

const imagesOf = (input: EncoderInput): readonly (Tensor | null)[] =>
  input instanceof Tensor ? [input] : input.crops;

const tensorsOf = (input: EncoderInput): readonly (Tensor | null)[] =>
  input instanceof Tensor ? [input] : [...input.crops, ...input.rows.flat(), input.mask];

/** Where the crop of a slot is: the images of a series, and row and channel in them. */
async function placesOf(input: EncoderInput, slots: readonly number[]) {
  if (input instanceof Tensor) {
    const channels = input.shape[1]!;
    return slots.map((slot, row) => ({ series: 0, row, channel: channels > 1 ? slot : 0 }));
  }
  const rows = await Promise.all(input.rows.flat().map((slot) => slot.data()));
  const slices = input.rows[0]!.length;
  return slots.map((slot, disc) => ({
    series: Math.floor(slot / slices),
    row: rows[slot]![disc]!,
    channel: 0,
  }));
}

function oneHot({ device, shape }: Tensor, grades: readonly number[]): Tensor {
  const values = new Float32Array(shape[0]! * shape[1]!);
  for (const [disc, grade] of grades.entries()) values[disc * shape[1]! + grade] = 1;
  return device.tensor(values, shape);
}

/** The gradients of a scalar with respect to tensors that it is computed from. */
function gradientsOf(leaves: readonly (Tensor | null)[], score: () => Tensor): (Tensor | null)[] {
  for (const leaf of leaves) if (leaf) leaf.requiresGrad = true;
  tidy(() => backward(score()));
  return leaves.map((leaf) => {
    if (leaf === null) return null;
    const { grad } = leaf;
    leaf.requiresGrad = false;
    leaf.grad = undefined;
    return grad ?? null;
  });
}

/** Runs `body` while no parameter requires a gradient. */
function withoutParameterGradients<T>(grader: Grader, body: () => T): T {
  const parameters = [...grader.parameters().values()].filter(({ requiresGrad }) => requiresGrad);
  for (const parameter of parameters) parameter.requiresGrad = false;
  try {
    return body();
  } finally {
    for (const parameter of parameters) parameter.requiresGrad = true;
  }
}

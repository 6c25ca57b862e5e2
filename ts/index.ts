/**
 * The compute engine: devices, tensors, operations with gradients, networks and optimizers. An invalid argument throws a
 * `SpinegradError` with a `code` at the call.
 *
 * @example
 * const device = await openDevice('cpu');
 * const net = resnet18({ device, random: new RandomStream(1) });
 * using y = tidy(() => noGrad(() => net.forward(device.tensor(pixels, [1, 1, 96, 96]))));
 * console.log(await y.data());
 */

export { backward, noGrad, record } from './engine/autograd.js';
export { CapturedStep } from './engine/capturedStep.js';
export { Device, type DeviceOptions, type MemoryInfo } from './engine/device.js';
export type { DType, TypedArray } from './engine/dtype.js';
export { type DeviceKind, openDevice } from './engine/openDevice.js';
export { attentionPool } from './engine/ops/attentionPool.js';
export { type AugmentKeys, type AugmentOptions, augment, augmentGeometry } from './engine/ops/augment.js';
export { type BatchNorm2dOptions, batchNorm2d } from './engine/ops/batchNorm2d.js';
export { bceWithLogits } from './engine/ops/bceWithLogits.js';
export { clipGradNorm } from './engine/ops/clipGradNorm.js';
export { concat } from './engine/ops/concat.js';
export { type Conv2dOptions, conv2d } from './engine/ops/conv2d.js';
export { copy } from './engine/ops/copy.js';
export { type DropoutOptions, dropout } from './engine/ops/dropout.js';
export * from './engine/ops/elementwise.js';
export type { ElementwiseLossOptions } from './engine/ops/elementwiseLoss.js';
export { type FocalLossOptions, focalLoss } from './engine/ops/focalLoss.js';
export { gather } from './engine/ops/gather.js';
export { globalAvgPool2d } from './engine/ops/globalAvgPool2d.js';
export { type InfoNCEOptions, infoNCE } from './engine/ops/infoNCE.js';
export { l2Normalize } from './engine/ops/l2Normalize.js';
export { linear } from './engine/ops/linear.js';
export { logSoftmax } from './engine/ops/logSoftmax.js';
export { type MaxPool2dOptions, maxPool2d } from './engine/ops/maxPool2d.js';
export { mse } from './engine/ops/mse.js';
export type { ParameterGroup, Parameters } from './engine/ops/multitensor.js';
export { queryInfoNCE } from './engine/ops/queryInfoNCE.js';
export { type SmoothL1Options, smoothL1 } from './engine/ops/smoothL1.js';
export { type SoftArgmax2dOptions, softArgmax2d } from './engine/ops/softArgmax2d.js';
export { softmax } from './engine/ops/softmax.js';
export { sum } from './engine/ops/sum.js';
export { type Upsample2dOptions, upsample2d } from './engine/ops/upsample2d.js';
export {
  byOperation,
  chromeTrace,
  type OperationTime,
  type Profile,
  type ProfileEvent,
} from './engine/profile.js';
export { type Shape, Tensor } from './engine/tensor.js';
export { tidy } from './engine/tidy.js';
export type { Nested, TensorValues } from './engine/values.js';
export { SpinegradError } from './error.js';
export {
  readSafetensors,
  type StoredTensor,
  type TensorData,
  writeSafetensors,
} from './io/safetensors.js';
export { foldBatchNorms } from './nn/fold.js';
export { type Imported, importResNet } from './nn/importResNet.js';
export { BatchNorm2d, type Build, Conv2d, Linear } from './nn/layers.js';
export { Module } from './nn/module.js';
export { type Depth, ResNet, type ResNetOptions, resnet18, resnet34, resnet50 } from './nn/resnet.js';
export { UNet, type UNetOptions, unet } from './nn/unet.js';
export { AdamW, type AdamWSettings } from './optim/adamW.js';
export { Ema } from './optim/ema.js';
export { LARS, type LarsSettings } from './optim/lars.js';
export { constant, type Schedule, stepDecay, warmupCosine } from './optim/schedules.js';
export { SGD, type SgdSettings } from './optim/sgd.js';
export { RandomStream } from './random.js';

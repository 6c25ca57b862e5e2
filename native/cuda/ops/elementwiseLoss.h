// What mse and smoothL1 share: see kernels/lib/elementwiseLoss.cuh, and native/cpu/ops/elementwiseLoss.h for the
// contract.
#pragma once

#include "native/engine/operation.h"

namespace spinegrad::cuda {

/// in: prediction, target, weight or none; out: loss [1], divisor [1]; attributes: mean or sum, parameter.
void elementwiseLossForward(const Call& call, const char* kernel);
/// in: prediction, target, weight or none, divisor, dy [1]; out: gradient of the prediction.
void elementwiseLossBackward(const Call& call, const char* kernel);

}  // namespace spinegrad::cuda

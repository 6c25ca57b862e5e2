// The common part of mse, smoothL1 and bceWithLogits; see kernels/lib/elementwiseLoss.cuh and
// native/cpu/ops/elementwiseLoss.h.
#pragma once

#include "native/engine/contracts.h"

namespace spinegrad::cuda {

// `Op` is a contract of one of them, and `parameter` is passed to the kernel.
template <class Op>
void elementwiseLossForward(const Op& op, const char* kernel, double parameter);
template <class Op>
void elementwiseLossBackward(const Op& op, const char* kernel, double parameter);

}  // namespace spinegrad::cuda

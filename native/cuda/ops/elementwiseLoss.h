// What mse and smoothL1 share: see kernels/lib/elementwiseLoss.cuh, and native/cpu/ops/elementwiseLoss.h for the
// contract.
#pragma once

#include "native/engine/contracts.h"

namespace spinegrad::cuda {

// For the contracts of mse and smoothL1; `parameter` is passed on to the kernel.
template <class Op>
void elementwiseLossForward(const Op& op, const char* kernel, double parameter);
template <class Op>
void elementwiseLossBackward(const Op& op, const char* kernel, double parameter);

}  // namespace spinegrad::cuda

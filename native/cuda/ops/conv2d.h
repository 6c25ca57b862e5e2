// The passes of conv2d on device pointers, for conv2d and linear.
#pragma once

#include <memory>

#include "kernels/conv2d.h"
#include "native/cuda/runtime/memory.h"

namespace spinegrad::cuda {

/// With `withStatistics`, returns the channel statistics of y if the kernel computes them. Kernels with split-K and the
/// plain kernel do not: no block has complete sums. y then has fewer than 264 tiles of at most 64 kB, so it is still in
/// L2 when batch norm reads it.
std::unique_ptr<Statistics> conv2dFprop(const Conv2dShape& shape, const float* x, const float* w,
                                        const Conv2dEpilogue& epilogue, float* y, bool withStatistics = false);
void conv2dDgrad(const Conv2dShape& shape, const float* dy, const float* w, float* dx);
void conv2dWgrad(const Conv2dShape& shape, const float* x, const float* dy, float* dw);
/// db [columns] = the sum of the rows of dy, which are `pitch` floats apart.
void conv2dBiasGrad(const float* dy, int64_t rows, int64_t columns, int64_t pitch, float* db);

}  // namespace spinegrad::cuda

// The passes of conv2d on device pointers, for conv2d itself and for linear, which is the convolution of images of one
// pixel.
#pragma once

#include <memory>

#include "kernels/conv2d.h"
#include "native/cuda/runtime/memory.h"

namespace spinegrad::cuda {

/// Returns the statistics of y's channels where they are wanted and come with the product: a depth that is split has no
/// tile with whole sums, and the plain kernel no tile. Nothing is lost with them: a product whose depth is split has
/// fewer than 264 tiles of at most 64 kB, which are still in L2 when batch norm reads them.
std::unique_ptr<Statistics> conv2dFprop(const Conv2dShape& shape, const float* x, const float* w,
                                        const Conv2dEpilogue& epilogue, float* y, bool statistics = false);
void conv2dDgrad(const Conv2dShape& shape, const float* dy, const float* w, float* dx);
void conv2dWgrad(const Conv2dShape& shape, const float* x, const float* dy, float* dw);
/// db [columns] from the rows of dy, `pitch` floats apart.
void conv2dBiasGrad(const float* dy, int64_t rows, int64_t columns, int64_t pitch, float* db);

}  // namespace spinegrad::cuda

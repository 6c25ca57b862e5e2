// The passes of conv2d on device pointers, for conv2d itself and for linear, which is the convolution of images of one
// pixel.
#pragma once

#include "kernels/conv2d.h"

namespace spinegrad::cuda {

/// `bias` is null where there is none.
void conv2dFprop(const Conv2dShape& shape, const float* x, const float* w, const float* bias, float* y);
void conv2dDgrad(const Conv2dShape& shape, const float* dy, const float* w, float* dx);
void conv2dWgrad(const Conv2dShape& shape, const float* x, const float* dy, float* dw);
/// db [columns] from the rows of dy, `pitch` floats apart.
void conv2dBiasGrad(const float* dy, int64_t rows, int64_t columns, int64_t pitch, float* db);

}  // namespace spinegrad::cuda

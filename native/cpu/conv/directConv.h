// Convolution of few pixels, directly: the small maps and small batches at which filters are most of the memory
// traffic.
#pragma once

#include "native/cpu/conv/directConvKernels.h"
#include "native/engine/contracts.h"
#include "native/engine/tensor.h"

namespace spinegrad::cpu {

/// Whether x * w -> y is such a convolution, and how it goes; null where it is not. Kept for the next call.
const DirectConv* planDirectConv(const Shape& x, const Shape& y, const Shape& w, const Conv2dAttributes& attributes);

/// Images are channel-blocked, weights in blocks [K][C][R][S][of C][of K].
void directConvolve(const DirectConv& plan, const float* x, const float* weights, const Epilogue& epilogue, float* y);

}  // namespace spinegrad::cpu

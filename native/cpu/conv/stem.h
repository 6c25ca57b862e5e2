// fprop and wgrad of images of few channels and filters seven wide at every second pixel: ResNet's stem.
#pragma once

#include "native/cpu/conv/epilogue.h"
#include "native/engine/contracts.h"
#include "native/engine/tensor.h"

namespace spinegrad::cpu {

bool isStem(const Shape& x, const Shape& w, const Conv2dAttributes& attributes);

/// x is row-major, y channel-blocked, w and dw [K/block][R][7][C][block].
void stemConvolve(const Shape& xShape, const float* x, const Shape& wShape, const float* w, const Epilogue& epilogue,
                  const Shape& yShape, float* y, const Conv2dAttributes& attributes);
void stemFilterGradient(const Shape& xShape, const float* x, const Shape& dyShape, const float* dy, const Shape& wShape,
                        float* dw, const Conv2dAttributes& attributes);

}  // namespace spinegrad::cpu

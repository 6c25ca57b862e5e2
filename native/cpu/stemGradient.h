// wgrad of images of few channels and filters seven wide at every second pixel: ResNet's stem.
#pragma once

#include "native/engine/contracts.h"
#include "native/engine/tensor.h"

namespace spinegrad::cpu {

bool isStem(const Shape& x, const Shape& w, const Conv2dAttributes& attributes);

/// x is row-major, dy channel-blocked, dw [K/block][R][7][C][block].
void stemFilterGradient(const Shape& xShape, const float* x, const Shape& dyShape, const float* dy, const Shape& wShape,
                        float* dw, const Conv2dAttributes& attributes);

}  // namespace spinegrad::cpu

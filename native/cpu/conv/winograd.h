// Winograd's convolution as conv2d calls it: whether it pays, and its passes with their scratch.
#pragma once

#include <optional>

#include "native/cpu/conv/winogradKernels.h"
#include "native/engine/contracts.h"
#include "native/engine/tensor.h"

namespace spinegrad::cpu {

/// The plan of x * w -> y, without `blockTiles`, where Winograd's algorithm pays; `turned`: that of its dgrad, whose x
/// is dy and whose y is dx.
std::optional<Winograd> planWinograd(const Shape& x, const Shape& y, const Shape& w, const Conv2dAttributes& attributes,
                                     bool turned);

/// Images are channel-blocked, weights in blocks [K][C][3][3][of C][of K].
void winogradConvolve(Winograd plan, const float* x, const float* weights, bool turned, const Epilogue& epilogue,
                      float* y);
void winogradFilterGradient(Winograd plan, const float* x, const float* dy, float* dw);

}  // namespace spinegrad::cpu

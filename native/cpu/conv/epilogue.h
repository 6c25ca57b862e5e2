// What a convolution of our own does to y as it writes it.
#pragma once

namespace spinegrad::cpu {

struct Epilogue {
  const float* bias;      ///< one value for each channel of y's blocks, or null
  const float* residual;  ///< of y's layout, or null
  bool relu;
};

}  // namespace spinegrad::cpu

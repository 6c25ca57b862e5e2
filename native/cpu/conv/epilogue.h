// What a kernel of this folder adds to a sum before it writes y.
#pragma once

namespace spinegrad::cpu {

struct Epilogue {
  const float* bias;      ///< per channel, padding channels included, or null
  const float* residual;  ///< in y's layout, or null
  bool relu;
};

}  // namespace spinegrad::cpu

// Types and constants that the kernels of queryInfoNCE and their launcher share.
#pragma once

#include <stdint.h>

namespace spinegrad {

/// Values of the gradient per block of backward.
constexpr int32_t queryInfoNCEGradient = 128;

struct QueryInfoNCEProblem {
  /// [rows, dimension], [rows], [columns, dimension] and [columns].
  const float* queries;
  const int32_t* labels;
  const float* keys;
  const int32_t* keyLabels;
  int32_t rows, columns, dimension;
  /// log(1 / temperature) on the device; if null, `scale` is 1 / temperature.
  const float* logScale;
  float scale;
  /// Whether the mean over the positives is inside the logarithm.
  int32_t meanInside;
};

}  // namespace spinegrad

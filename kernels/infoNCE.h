// Types and constants that the kernels of infoNCE and their launcher share.
#pragma once

#include <stdint.h>

namespace spinegrad {

/// Rows and columns of a tile of similarities, K per step, and columns of the gradient per block.
constexpr int32_t infoNCETile = 64, infoNCETileK = 32, infoNCEGradient = 128;

struct InfoNCEProblem {
  /// [rows, dimension] and [rows].
  const float* embeddings;
  const int32_t* labels;
  int32_t rows, dimension;
  /// log(1 / temperature) on the device; if null, `scale` is 1 / temperature.
  const float* logScale;
  float scale;
  /// Whether the mean over the positives is inside the logarithm.
  int32_t meanInside;
  /// Column tiles per split. The splits of the columns are the grid's y.
  int32_t tilesPerSplit;
};

/// The contribution of one split of the columns to a row: the maximum similarity and the sum of exponentials relative
/// to it. `positive` and `positiveSumExp` are the same for the positives (mean inside), or `positive` is the sum of
/// their similarities (mean outside).
struct alignas(16) InfoNCESplit {
  float rowMax, sumExp, positive, positiveSumExp;
};

/// log-sum-exp of each row over all other rows, and over its positives (mean inside) or null; infinite for a row
/// without positives.
struct InfoNCELogSums {
  float *all, *positive;
};

}  // namespace spinegrad

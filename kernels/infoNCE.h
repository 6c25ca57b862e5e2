// What the kernels of infoNCE and their launcher agree on.
#pragma once

#include <stdint.h>

namespace spinegrad {

/// Rows and columns of a tile of similarities, embedding values of a step, and of a block's part of the gradient.
constexpr int32_t infoNCETile = 64, infoNCEStep = 32, infoNCEGradient = 128;

struct InfoNCEProblem {
  /// [rows, depth] and [rows].
  const float* embeddings;
  const int32_t* labels;
  int32_t rows, depth;
  /// log(1 / temperature) on the device, or null: then `scale` is 1 / temperature.
  const float* logScale;
  float scale;
  /// Where the mean over the positives stands.
  int32_t inside;
  /// Column tiles that a block goes over; the splits of the columns lie along the grid's y.
  int32_t tilesOfSplit;
};

/// What one split of the columns adds to a row: the largest similarity and the sum of exponentials relative to it, and
/// of the positives either the same two (mean inside) or the sum of their similarities (outside).
struct alignas(16) InfoNCEPart {
  float most, sum, positive, positiveSum;
};

/// log-sum-exp of each row over all others, and over its positives (mean inside) or null; infinite without positives.
struct InfoNCELogSums {
  float *all, *positive;
};

}  // namespace spinegrad

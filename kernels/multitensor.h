// The table by which one launch works on many tensors at once (parameters, their gradients, their moments). The tensors
// are cut into pieces of fixed size and a block takes a piece, so that many small tensors keep the device as busy as a
// large one. The table is a parameter of the kernel: nothing is uploaded, and a captured launch carries it along.
#pragma once

#include <stdint.h>

namespace spinegrad {

constexpr int32_t multitensorPiece = 8192;

/// Tensors in tuples of `width`, as many as the 4 KB of a kernel's parameters take.
template <int width>
struct Multitensor {
  static constexpr int32_t most = 3840 / (8 * width + 12);

  int32_t tuples;
  /// Of the whole list, where it takes several launches: the first of this launch.
  int32_t piecesBefore;
  /// Piece of this launch with which each tuple begins.
  int32_t firstPiece[most];
  int64_t size[most];
  float* values[most][width];
};

}  // namespace spinegrad

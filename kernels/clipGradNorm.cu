// clipGradNorm: the Euclidean norm over all gradients together, and the gradients scaled in place so that it is at most
// maxNorm. Squares are added in double: a thread's values, the block's threads, the pieces, always in the same order.
// Nothing is read back to the host: the factor stays on the device, and where it is none the gradients are not touched.
//
// 4 bytes a value for the norm and 8 for the scaling: 45 and 90 MB for ResNet-18. Where double runs at 1/64 of the
// speed of float (consumer GPUs), one multiply-add a value still takes no longer than reading it.
#include "kernels/clipGradNorm.h"
#include "kernels/lib/multitensor.cuh"
#include "kernels/lib/reduce.cuh"

namespace {

struct AddSquare {
  static constexpr uint32_t writes = 0;
  double* total;

  __device__ __forceinline__ void operator()(float (&one)[1]) const {
    *total += static_cast<double>(one[0]) * static_cast<double>(one[0]);
  }
};

struct Scale {
  static constexpr uint32_t writes = 1;
  float factor;

  __device__ __forceinline__ void operator()(float (&one)[1]) const { one[0] *= factor; }
};

}  // namespace

SPINEGRAD_KERNEL(clipGradNorm_squares, 256, (Multitensor<1> table, ClipGradNormSums sums)) {
  double total = 0;
  visitPiece(table, AddSquare{&total});
  total = blockSum(total);
  if (threadIdx.x == 0) sums.squares[table.piecesBefore + blockIdx.x] = total;
}

/// One block. As PyTorch: a norm that is not a number makes the gradients so, which a caller sees; it is never hidden.
SPINEGRAD_KERNEL(clipGradNorm_norm, 256, (ClipGradNormSums sums, double maxNorm, float* norm, float* factor)) {
  double total = 0;
  for (int64_t piece = threadIdx.x; piece < sums.pieces; piece += blockDim.x) total += sums.squares[piece];
  total = sqrt(blockSum(total));
  if (threadIdx.x != 0) return;
  *norm = static_cast<float>(total);
  *factor = static_cast<float>(maxNorm / (total + 1e-6));
}

SPINEGRAD_KERNEL(clipGradNorm_scale, 256, (Multitensor<1> table, const float* factor)) {
  if (!(*factor >= 1)) visitPiece(table, Scale{*factor});
}

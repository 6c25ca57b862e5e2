// clipGradNorm: computes the Euclidean norm of all gradients together and scales them in place so that it is at most
// maxNorm. The factor stays on the device; if it is at least 1, the gradients are not written. Squares are added in
// double in a fixed order: thread, block, chunks. Bound by memory: 4 bytes per value for the norm and 8 for the
// scaling, 45 and 90 MB for ResNet-18.
#include "kernels/clipGradNorm.h"
#include "kernels/lib/multitensor.cuh"
#include "kernels/lib/reduce.cuh"

namespace {

struct AddSquare {
  static constexpr uint32_t writes = 0;
  double* total;

  __device__ __forceinline__ void operator()(float (&values)[1]) const {
    *total += static_cast<double>(values[0]) * static_cast<double>(values[0]);
  }
};

struct Scale {
  static constexpr uint32_t writes = 1;
  float factor;

  __device__ __forceinline__ void operator()(float (&values)[1]) const { values[0] *= factor; }
};

}  // namespace

SPINEGRAD_KERNEL(clipGradNorm_squares, 256, (Multitensor<1> table, ClipGradNormSums sums)) {
  double total = 0;
  visitChunk(table, AddSquare{&total});
  total = blockSum(total);
  if (threadIdx.x == 0) sums.squares[table.chunksBefore + blockIdx.x] = total;
}

/// One block. As in PyTorch, a NaN norm makes all gradients NaN.
SPINEGRAD_KERNEL(clipGradNorm_norm, 256, (ClipGradNormSums sums, double maxNorm, float* norm, float* factor)) {
  double total = 0;
  for (int64_t chunk = threadIdx.x; chunk < sums.chunks; chunk += blockDim.x) total += sums.squares[chunk];
  total = sqrt(blockSum(total));
  if (threadIdx.x != 0) return;
  *norm = static_cast<float>(total);
  *factor = static_cast<float>(maxNorm / (total + 1e-6));
}

SPINEGRAD_KERNEL(clipGradNorm_scale, 256, (Multitensor<1> table, const float* factor)) {
  if (!(*factor >= 1)) visitChunk(table, Scale{*factor});
}

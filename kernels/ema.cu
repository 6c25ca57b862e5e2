// ema: target += share (source - target) for many pairs at once; tuples (source, target). 12 bytes a value.
#include "kernels/lib/multitensor.cuh"

namespace {

struct Approach {
  static constexpr uint32_t writes = 0b10;
  float share;

  __device__ __forceinline__ void operator()(float (&one)[2]) const { one[1] += share * (one[0] - one[1]); }
};

}  // namespace

SPINEGRAD_KERNEL(ema_step, 256, (Multitensor<2> table, float share)) { visitPiece(table, Approach{share}); }

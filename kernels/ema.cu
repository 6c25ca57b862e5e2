// ema: target += weight * (source - target) for many tensors in one launch. Tuples are (source, target). Bound by
// memory: 12 bytes per value.
#include "kernels/lib/multitensor.cuh"

namespace {

struct Lerp {
  static constexpr uint32_t writes = 0b10;
  float weight;

  __device__ __forceinline__ void operator()(float (&values)[2]) const {
    values[1] += weight * (values[0] - values[1]);
  }
};

}  // namespace

SPINEGRAD_KERNEL(ema_step, 256, (Multitensor<2> table, float weight)) { visitChunk(table, Lerp{weight}); }

// adamW: one step for many parameters in one launch, in PyTorch's order of operations. Tuples are (parameter, gradient,
// m, v). Bound by memory: 28 bytes per value, four read and three written; ResNet-18 has 11.2 million values, 313 MB.
//
//   p -= lr * decay * p;  m += (1 - b1) (g - m);  v = b2 v + (1 - b2) g^2
//   p -= lr / (1 - b1^t) * m / (sqrt(v) / sqrt(1 - b2^t) + eps)
#include "kernels/lib/multitensor.cuh"
#include "native/engine/stepFactors.h"

namespace {

struct Update {
  static constexpr uint32_t writes = 0b1101;
  AdamWFactors factors;

  __device__ __forceinline__ void operator()(float (&values)[4]) const {
    const float g = values[1];
    const float m = values[2] + factors.oneMinusBeta1 * (g - values[2]);
    const float v = factors.beta2 * values[3] + factors.oneMinusBeta2 * g * g;
    values[0] = values[0] * factors.decay - factors.stepSize * (m / (sqrtf(v) / factors.rootCorrection2 + factors.eps));
    values[2] = m;
    values[3] = v;
  }
};

}  // namespace

SPINEGRAD_KERNEL(adamW_step, 256, (Multitensor<4> table, AdamWFactors factors)) { visitChunk(table, Update{factors}); }

// adamW: one step for many parameters at once, in PyTorch's order of operations; tuples (parameter, gradient, m, v).
//   p -= lr * decay * p;  m += (1 - b1) (g - m);  v = b2 v + (1 - b2) g^2
//   p -= lr / (1 - b1^t) * m / (sqrt(v) / sqrt(1 - b2^t) + eps)
//
// 28 bytes a value, four read and three written; the root and the two divisions hide behind them. The 11.2 million
// values of ResNet-18 are 313 MB in one launch.
#include "kernels/lib/multitensor.cuh"
#include "native/engine/stepFactors.h"

namespace {

struct Update {
  static constexpr uint32_t writes = 0b1101;
  AdamWFactors factors;

  __device__ __forceinline__ void operator()(float (&one)[4]) const {
    const float g = one[1];
    const float m = one[2] + factors.oneMinusBeta1 * (g - one[2]);
    const float v = factors.beta2 * one[3] + factors.oneMinusBeta2 * g * g;
    one[0] = one[0] * factors.decay - factors.stepSize * (m / (sqrtf(v) / factors.rootCorrection2 + factors.eps));
    one[2] = m;
    one[3] = v;
  }
};

}  // namespace

SPINEGRAD_KERNEL(adamW_step, 256, (Multitensor<4> table, AdamWFactors factors)) { visitPiece(table, Update{factors}); }

// sgd: one step with momentum for many parameters at once, as PyTorch defines it (dampening 0); tuples (parameter,
// gradient, velocity).
//   g += decay * p, or decoupled: p -= lr * decay * p
//   b = momentum * b + g;  p -= lr * (nesterov ? g + momentum * b : b)
//
// 20 bytes a value, three read and two written.
#include "kernels/lib/multitensor.cuh"
#include "native/engine/stepFactors.h"

namespace {

struct Update {
  static constexpr uint32_t writes = 0b101;
  SgdFactors factors;

  __device__ __forceinline__ void operator()(float (&one)[3]) const {
    const float gradient = one[1] + factors.coupledDecay * one[0];
    const float velocity = factors.momentum * one[2] + gradient;
    const float step = factors.velocityShare * velocity + factors.gradientShare * gradient;
    one[0] = one[0] * factors.decay - factors.learningRate * step;
    one[2] = velocity;
  }
};

}  // namespace

SPINEGRAD_KERNEL(sgd_step, 256, (Multitensor<3> table, SgdFactors factors)) { visitPiece(table, Update{factors}); }

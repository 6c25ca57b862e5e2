// sgd: one step with momentum for many parameters in one launch, as defined by PyTorch (dampening 0). Tuples are
// (parameter, gradient, velocity). Bound by memory: 20 bytes per value, three read and two written.
//
//   g += decay * p, or decoupled: p -= lr * decay * p
//   b = momentum * b + g;  p -= lr * (nesterov ? g + momentum * b : b)
#include "kernels/lib/multitensor.cuh"
#include "native/engine/stepFactors.h"

namespace {

struct Update {
  static constexpr uint32_t writes = 0b101;
  SgdFactors factors;

  __device__ __forceinline__ void operator()(float (&values)[3]) const {
    const float gradient = values[1] + factors.coupledDecay * values[0];
    const float velocity = factors.momentum * values[2] + gradient;
    const float step = factors.velocityFraction * velocity + factors.gradientFraction * gradient;
    values[0] = values[0] * factors.decay - factors.learningRate * step;
    values[2] = velocity;
  }
};

}  // namespace

SPINEGRAD_KERNEL(sgd_step, 256, (Multitensor<3> table, SgdFactors factors)) { visitChunk(table, Update{factors}); }

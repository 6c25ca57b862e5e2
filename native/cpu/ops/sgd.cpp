// sgd: one step of stochastic gradient descent with momentum for many parameters, in place, as PyTorch defines it with
// dampening 0.
//   g += decay * p, or decoupled: p -= lr * decay * p
//   b = momentum * b + g;  p -= lr * (nesterov ? g + momentum * b : b)

#include "native/cpu/ops/multitensor.h"
#include "native/cpu/runtime/device.h"
#include "native/cpu/runtime/simd.h"
#include "native/engine/contracts.h"

namespace spinegrad::cpu {
namespace {

SPINEGRAD_SIMD void updateRow(const SgdFactors& factors, float* p, const float* g, float* b, size_t count) {
  const auto [coupledDecay, decay, momentum, learningRate, velocityFraction, gradientFraction] = factors;
#pragma omp simd
  for (size_t i = 0; i < count; ++i) {
    const float gradient = g[i] + coupledDecay * p[i];
    b[i] = momentum * b[i] + gradient;
    p[i] = p[i] * decay - learningRate * (velocityFraction * b[i] + gradientFraction * gradient);
  }
}

void step(const SgdStep& op) {
  const SgdFactors factors = factorsOf(op);
  const Tuples<3> tuples({op.parameter, op.gradient, op.velocity});
  parallelChunks(splitTensors(tuples.sizes), [&](const TensorChunk& chunk, size_t) {
    const auto& [p, g, b] = tuples.values[chunk.tensor];
    updateRow(factors, p + chunk.first, g + chunk.first, b + chunk.first, chunk.count);
  });
}

const Register<step> registerStep("sgd.step");

}  // namespace
}  // namespace spinegrad::cpu

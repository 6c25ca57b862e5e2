// adamW: one step of AdamW (Loshchilov and Hutter, "Decoupled Weight Decay Regularization", ICLR 2019) for many
// parameters, in place and in PyTorch's order of operations.
//   p -= lr * decay * p;  m += (1 - b1) (g - m);  v = b2 v + (1 - b2) g^2
//   p -= lr / (1 - b1^t) * m / (sqrt(v) / sqrt(1 - b2^t) + eps)

#include <cmath>

#include "native/cpu/ops/multitensor.h"
#include "native/cpu/runtime/device.h"
#include "native/cpu/runtime/simd.h"
#include "native/engine/contracts.h"

namespace spinegrad::cpu {
namespace {

SPINEGRAD_SIMD void updateRow(const AdamWFactors& factors, float* p, const float* g, float* m, float* v, size_t count) {
  const auto [decay, oneMinusBeta1, beta2, oneMinusBeta2, stepSize, rootCorrection2, eps] = factors;
#pragma omp simd
  for (size_t i = 0; i < count; ++i) {
    m[i] += oneMinusBeta1 * (g[i] - m[i]);
    v[i] = beta2 * v[i] + oneMinusBeta2 * g[i] * g[i];
    p[i] = p[i] * decay - stepSize * (m[i] / (std::sqrt(v[i]) / rootCorrection2 + eps));
  }
}

void step(const AdamWStep& op) {
  const AdamWFactors factors = factorsOf(op);
  const Tuples<4> tuples({op.parameter, op.gradient, op.firstMoment, op.secondMoment});
  parallelChunks(splitTensors(tuples.sizes), [&](const TensorChunk& chunk, size_t) {
    const auto& [p, g, m, v] = tuples.values[chunk.tensor];
    updateRow(factors, p + chunk.first, g + chunk.first, m + chunk.first, v + chunk.first, chunk.count);
  });
}

const Register<step> registerStep("adamW.step");

}  // namespace
}  // namespace spinegrad::cpu

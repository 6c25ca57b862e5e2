// ema: the exponential moving average of weights, target += (1 - decay) (source - target), for many tensors. A target
// takes the layout of its source.

#include "native/cpu/ops/multitensor.h"
#include "native/cpu/runtime/device.h"
#include "native/cpu/runtime/simd.h"
#include "native/engine/contracts.h"

namespace spinegrad::cpu {
namespace {

SPINEGRAD_SIMD void approachRow(float fraction, const float* source, float* target, size_t count) {
#pragma omp simd
  for (size_t i = 0; i < count; ++i) target[i] += fraction * (source[i] - target[i]);
}

void step(const EmaStep& op) {
  const auto fraction = static_cast<float>(1 - op.decay);
  const Tuples<2> tuples({op.source, op.target});
  parallelChunks(splitTensors(tuples.sizes), [&](const TensorChunk& chunk, size_t) {
    const auto& [source, target] = tuples.values[chunk.tensor];
    approachRow(fraction, source + chunk.first, target + chunk.first, chunk.count);
  });
}

const Register<step> registerStep("ema.step");

}  // namespace
}  // namespace spinegrad::cpu

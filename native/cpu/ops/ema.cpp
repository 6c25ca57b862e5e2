// ema: exponential moving average of weights, target += (1 - decay) (source - target), for many pairs at once. A
// target takes the layout of its source.

#include "native/cpu/ops/multitensor.h"
#include "native/cpu/runtime/device.h"
#include "native/cpu/runtime/simd.h"
#include "native/engine/contracts.h"

namespace spinegrad::cpu {
namespace {

SPINEGRAD_SIMD void approachRow(float share, const float* source, float* target, size_t count) {
#pragma omp simd
  for (size_t i = 0; i < count; ++i) target[i] += share * (source[i] - target[i]);
}

void step(const EmaStep& op) {
  const auto share = static_cast<float>(1 - op.decay);
  const Tuples<2> tuples({op.source, op.target});
  parallelPieces(cutPieces(tuples.sizes), [&](const Piece& piece, size_t) {
    const auto& [source, target] = tuples.values[piece.tensor];
    approachRow(share, source + piece.first, target + piece.first, piece.count);
  });
}

const Register<step> registerStep("ema.step");

}  // namespace
}  // namespace spinegrad::cpu

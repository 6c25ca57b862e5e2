// ema: exponential moving average of weights, target += (1 - decay) (source - target), for many pairs at once; inputs
// are pairs (source, target): a target takes the layout of its source, which is at work in a network.

#include "native/cpu/ops/multitensor.h"
#include "native/cpu/runtime/device.h"
#include "native/cpu/runtime/simd.h"

namespace spinegrad::cpu {
namespace {

SPINEGRAD_SIMD void approachRow(float share, const float* source, float* target, size_t count) {
#pragma omp simd
  for (size_t i = 0; i < count; ++i) target[i] += share * (source[i] - target[i]);
}

void step(const Call& call) {
  const auto share = static_cast<float>(1 - call.real(0));
  const Tuples<2> tuples(call);
  parallelPieces(cutPieces(tuples.sizes), [&](const Piece& piece, size_t) {
    const auto& [source, target] = tuples.values[piece.tensor];
    approachRow(share, source + piece.first, target + piece.first, piece.count);
  });
}

const Register registerStep("ema.step", step);

}  // namespace
}  // namespace spinegrad::cpu

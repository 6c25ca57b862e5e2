// dropout: y = x / (1 - p) if the random number of (seed, step, element) is at least p, else 0 (Srivastava et al., JMLR
// 2014, inverted). Backward is the same function of dy and draws the same numbers, so no mask is stored. Elements are
// numbered in row-major order, with one word each (random.h).

#include <algorithm>

#include "native/cpu/runtime/device.h"
#include "native/cpu/runtime/memory.h"
#include "native/cpu/runtime/parallel.h"
#include "native/cpu/runtime/random.h"
#include "native/cpu/runtime/simd.h"
#include "native/engine/contracts.h"

namespace spinegrad::cpu {
namespace {

SPINEGRAD_SIMD void dropRow(const float* x, const uint32_t* words, float probability, float scale, float* y,
                            size_t count) {
#pragma omp simd
  for (size_t i = 0; i < count; ++i) y[i] = Philox::uniform(words[i]) >= probability ? x[i] * scale : 0.0f;
}

void forward(const DropoutForward& op) {
  const float* x = read<float>(op.x);
  float* y = write<float>(op.y);
  const Philox philox{{op.seed, static_cast<uint32_t>(Purpose::dropout)}};
  const auto probability = static_cast<float>(op.probability);
  const auto scale = static_cast<float>(1 / (1 - op.probability));
  parallelChunks(static_cast<size_t>(op.x.elements()), [=](size_t chunk, size_t count) {
    WordGroup words;
    for (size_t first = chunk; first < chunk + count; first += words.size()) {
      randomWords(philox, static_cast<uint32_t>(first / words.size()), 0, op.step, words);
      dropRow(x + first, words.data(), probability, scale, y + first, std::min(words.size(), chunk + count - first));
    }
  });
}

const Register<forward> registerForward("dropout.forward");

}  // namespace
}  // namespace spinegrad::cpu

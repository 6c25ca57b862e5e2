// clipGradNorm: the Euclidean norm of all gradients, which are scaled in place so that the norm is at most maxNorm
// (Pascanu et al., ICML 2013). Squares are summed in double per chunk, then over the chunks in order.

#include <cmath>

#include "native/cpu/ops/multitensor.h"
#include "native/cpu/runtime/device.h"
#include "native/cpu/runtime/reduce.h"
#include "native/cpu/runtime/simd.h"
#include "native/engine/contracts.h"

namespace spinegrad::cpu {
namespace {

SPINEGRAD_SIMD void scaleRow(float* x, float factor, size_t count) {
  for (size_t i = 0; i < count; ++i) x[i] *= factor;
}

void forward(const ClipGradNormForward& op) {
  const Tuples<1> gradients({op.gradient});
  const std::vector<TensorChunk> chunks = splitTensors(gradients.sizes);
  const Workspace<double> partials(chunks.size());
  parallelChunks(chunks, [&](const TensorChunk& chunk, size_t index) {
    const float* values = gradients.values[chunk.tensor][0] + chunk.first;
    partials[index] = dotOf(values, values, static_cast<int64_t>(chunk.count));
  });
  double total = 0;
  for (size_t index = 0; index < chunks.size(); ++index) total += partials[index];
  const double norm = std::sqrt(total);
  *write<float>(op.norm) = static_cast<float>(norm);
  // As in PyTorch, a NaN norm makes all gradients NaN, so the error is visible.
  const double factor = op.maxNorm / (norm + 1e-6);
  if (factor >= 1) return;
  parallelChunks(chunks, [&, factor = static_cast<float>(factor)](const TensorChunk& chunk, size_t) {
    scaleRow(gradients.values[chunk.tensor][0] + chunk.first, factor, chunk.count);
  });
}

const Register<forward> registerForward("clipGradNorm.forward");

}  // namespace
}  // namespace spinegrad::cpu

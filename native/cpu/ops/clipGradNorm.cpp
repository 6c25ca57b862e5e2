// clipGradNorm: the Euclidean norm over all gradients together, and the gradients scaled in place so that it is at
// most maxNorm (Pascanu et al. 2013). Squares are added in double, piece by piece and then in the order of the
// pieces; nothing is read back to the host.

#include <cmath>

#include "native/cpu/ops/multitensor.h"
#include "native/cpu/runtime/device.h"
#include "native/cpu/runtime/simd.h"
#include "native/engine/contracts.h"

namespace spinegrad::cpu {
namespace {

SPINEGRAD_SIMD double sumOfSquares(const float* x, size_t count) {
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (size_t i = 0; i < count; ++i) sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  return sum;
}

SPINEGRAD_SIMD void scaleRow(float* x, float factor, size_t count) {
  for (size_t i = 0; i < count; ++i) x[i] *= factor;
}

void forward(const ClipGradNormForward& op) {
  const Tuples<1> gradients({op.gradient});
  const std::vector<Piece> pieces = cutPieces(gradients.sizes);
  const Workspace<double> partials(pieces.size());
  parallelPieces(pieces, [&](const Piece& piece, size_t index) {
    partials[index] = sumOfSquares(gradients.values[piece.tensor][0] + piece.first, piece.count);
  });
  double total = 0;
  for (size_t index = 0; index < pieces.size(); ++index) total += partials[index];
  const double norm = std::sqrt(total);
  *write<float>(op.norm) = static_cast<float>(norm);
  // As PyTorch: a norm that is not a number makes the gradients so, which a caller sees; it is never hidden.
  const double factor = op.maxNorm / (norm + 1e-6);
  if (factor >= 1) return;
  parallelPieces(pieces, [&, factor = static_cast<float>(factor)](const Piece& piece, size_t) {
    scaleRow(gradients.values[piece.tensor][0] + piece.first, factor, piece.count);
  });
}

const Register<forward> registerForward("clipGradNorm.forward");

}  // namespace
}  // namespace spinegrad::cpu

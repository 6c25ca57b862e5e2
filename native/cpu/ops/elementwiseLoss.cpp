#include "native/cpu/ops/elementwiseLoss.h"

#include <algorithm>

#include "native/cpu/ops/pointwise.h"
#include "native/cpu/runtime/memory.h"
#include "native/engine/contracts.h"
#include "native/engine/error.h"

namespace spinegrad::cpu {
namespace {

constexpr size_t piece = 16384;

const float* weightsOf(const Call& call) { return call.hasIn(2) ? read<float>(call.in(2)) : nullptr; }

}  // namespace

void elementwiseLossForward(const Call& call, const ElementwiseLoss& loss) {
  const ElementwiseLossAttributes attributes(call);
  const float* prediction = read<float>(call.in(0));
  const float* target = read<float>(call.in(1));
  const float* weight = weightsOf(call);
  const auto count = static_cast<size_t>(call.in(0).elements());
  const auto pieces = static_cast<int64_t>((count + piece - 1) / piece);
  Workspace<LossSums> partials(static_cast<size_t>(pieces));
#pragma omp parallel for schedule(static)
  for (int64_t index = 0; index < pieces; ++index) {
    const size_t first = static_cast<size_t>(index) * piece;
    partials[static_cast<size_t>(index)] =
        loss.sums(prediction + first, target + first, weight == nullptr ? nullptr : weight + first,
                  attributes.parameter, std::min(piece, count - first));
  }
  LossSums total;
  for (int64_t index = 0; index < pieces; ++index) {
    const LossSums& partial = partials[static_cast<size_t>(index)];
    total.terms += partial.terms;
    total.weights += partial.weights;
    total.negative |= partial.negative;
  }
  if (total.negative) throw Error("ERR_WEIGHT", "a weight of the loss is negative; expected weights >= 0");
  // Nothing counts: the loss is 0 and so is its gradient, for any divisor.
  const double divisor = attributes.mean && total.weights != 0 ? total.weights : 1;
  *write<float>(call.out(0)) = static_cast<float>(total.terms / divisor);
  *write<float>(call.out(1)) = static_cast<float>(divisor);
}

void elementwiseLossBackward(const Call& call, const ElementwiseLoss& loss) {
  const ElementwiseLossAttributes attributes(call);
  const float* prediction = read<float>(call.in(0));
  const float* target = read<float>(call.in(1));
  const float* weight = weightsOf(call);
  const float factor = *read<float>(call.in(4)) / *read<float>(call.in(3));
  float* gradient = write<float>(call.out(0));
  parallelPieces(static_cast<size_t>(call.in(0).elements()), [&](size_t first, size_t count) {
    loss.gradient(prediction + first, target + first, weight == nullptr ? nullptr : weight + first,
                  attributes.parameter, factor, gradient + first, count);
  });
}

}  // namespace spinegrad::cpu

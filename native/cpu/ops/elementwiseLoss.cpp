#include "native/cpu/ops/elementwiseLoss.h"

#include <algorithm>

#include "native/cpu/runtime/memory.h"
#include "native/cpu/runtime/parallel.h"
#include "native/engine/contracts.h"
#include "native/engine/error.h"

namespace spinegrad::cpu {
namespace {

constexpr size_t chunk = 16384;

template <class Op>
const float* weightsOf(const Op& op) {
  return op.weight != nullptr ? read<float>(*op.weight) : nullptr;
}

}  // namespace

template <class Op>
void elementwiseLossForward(const Op& op, const ElementwiseLoss& loss, double parameter) {
  const float* prediction = read<float>(op.prediction);
  const float* target = read<float>(op.target);
  const float* weight = weightsOf(op);
  const auto count = static_cast<size_t>(op.prediction.elements());
  const auto chunks = static_cast<int64_t>((count + chunk - 1) / chunk);
  Workspace<LossSums> partials(static_cast<size_t>(chunks));
#pragma omp parallel for schedule(static)
  for (int64_t index = 0; index < chunks; ++index) {
    const size_t first = static_cast<size_t>(index) * chunk;
    partials[static_cast<size_t>(index)] =
        loss.sums(prediction + first, target + first, weight == nullptr ? nullptr : weight + first, parameter,
                  std::min(chunk, count - first));
  }
  LossSums total;
  for (int64_t index = 0; index < chunks; ++index) {
    const LossSums& partial = partials[static_cast<size_t>(index)];
    total.terms += partial.terms;
    total.weights += partial.weights;
    total.negative |= partial.negative;
  }
  if (total.negative) throw Error("ERR_WEIGHT", "a weight of the loss is negative; expected weights >= 0");
  // If all weights are 0, the loss and its gradient are 0 for any divisor.
  const double divisor = op.reduction == LossReduction::mean && total.weights != 0 ? total.weights : 1;
  *write<float>(op.loss) = static_cast<float>(total.terms / divisor);
  *write<float>(op.divisor) = static_cast<float>(divisor);
}

template <class Op>
void elementwiseLossBackward(const Op& op, const ElementwiseLoss& loss, double parameter) {
  const float* prediction = read<float>(op.prediction);
  const float* target = read<float>(op.target);
  const float* weight = weightsOf(op);
  const float factor = *read<float>(op.dy) / *read<float>(op.divisor);
  float* gradient = write<float>(op.dx);
  parallelChunks(static_cast<size_t>(op.prediction.elements()), [&](size_t first, size_t count) {
    loss.gradient(prediction + first, target + first, weight == nullptr ? nullptr : weight + first, parameter, factor,
                  gradient + first, count);
  });
}

template void elementwiseLossForward(const MseForward&, const ElementwiseLoss&, double);
template void elementwiseLossForward(const SmoothL1Forward&, const ElementwiseLoss&, double);
template void elementwiseLossForward(const BceWithLogitsForward&, const ElementwiseLoss&, double);
template void elementwiseLossBackward(const MseBackward&, const ElementwiseLoss&, double);
template void elementwiseLossBackward(const SmoothL1Backward&, const ElementwiseLoss&, double);
template void elementwiseLossBackward(const BceWithLogitsBackward&, const ElementwiseLoss&, double);

}  // namespace spinegrad::cpu

#include "native/cuda/ops/elementwiseLoss.h"

#include "kernels/elementwiseLoss.h"
#include "native/cuda/runtime/launch.h"
#include "native/cuda/runtime/memory.h"
#include "native/cuda/runtime/status.h"
#include "native/engine/contracts.h"

namespace spinegrad::cuda {
namespace {

template <class Op>
const float* weightsOf(const Op& op) {
  return op.weight != nullptr ? read<float>(*op.weight) : nullptr;
}

}  // namespace

template <class Op>
void elementwiseLossForward(const Op& op, const char* kernel, double parameter) {
  const float* prediction = read<float>(op.prediction);
  const float* target = read<float>(op.target);
  const float* weight = weightsOf(op);
  const int64_t count = op.prediction.elements(), chunks = (count + lossChunk - 1) / lossChunk;
  Workspace<LossSums> partials(static_cast<size_t>(chunks));
  launch(kernel, {static_cast<unsigned>(chunks)}, {256}, 0, prediction, target, weight, parameter, partials.data(),
         count);
  launch("elementwiseLoss_total", {1}, {256}, 0, partials.data(), chunks, count,
         int32_t{op.reduction == LossReduction::mean}, write<float>(op.loss), write<float>(op.divisor),
         reportLater("ERR_WEIGHT", "a weight of the loss is negative; expected weights >= 0"),
         currentContext().status());
}

template <class Op>
void elementwiseLossBackward(const Op& op, const char* kernel, double parameter) {
  const float* prediction = read<float>(op.prediction);
  const float* target = read<float>(op.target);
  const float* weight = weightsOf(op);
  const float* divisor = read<float>(op.divisor);
  const float* dy = read<float>(op.dy);
  const int64_t count = op.prediction.elements();
  launch(kernel, {blocksFor(count, 256)}, {256}, 0, prediction, target, weight, parameter, divisor, dy,
         write<float>(op.dx), count);
}

template void elementwiseLossForward(const MseForward&, const char*, double);
template void elementwiseLossForward(const SmoothL1Forward&, const char*, double);
template void elementwiseLossForward(const BceWithLogitsForward&, const char*, double);
template void elementwiseLossBackward(const MseBackward&, const char*, double);
template void elementwiseLossBackward(const SmoothL1Backward&, const char*, double);
template void elementwiseLossBackward(const BceWithLogitsBackward&, const char*, double);

}  // namespace spinegrad::cuda

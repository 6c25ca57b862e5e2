#include "native/cuda/ops/elementwiseLoss.h"

#include "kernels/elementwiseLoss.h"
#include "native/cuda/runtime/launch.h"
#include "native/cuda/runtime/memory.h"
#include "native/cuda/runtime/status.h"
#include "native/engine/contracts.h"

namespace spinegrad::cuda {
namespace {

const float* weightsOf(const Call& call) { return call.hasIn(2) ? read<float>(call.in(2)) : nullptr; }

}  // namespace

void elementwiseLossForward(const Call& call, const char* kernel) {
  const ElementwiseLossAttributes attributes(call);
  const float* prediction = read<float>(call.in(0));
  const float* target = read<float>(call.in(1));
  const float* weight = weightsOf(call);
  const int64_t count = call.in(0).elements(), chunks = (count + lossChunk - 1) / lossChunk;
  Workspace<LossSums> partials(static_cast<size_t>(chunks));
  launch(kernel, {static_cast<unsigned>(chunks)}, {256}, 0, prediction, target, weight, attributes.parameter,
         partials.data(), count);
  launch("elementwiseLoss_total", {1}, {256}, 0, partials.data(), chunks, count, int32_t{attributes.mean},
         write<float>(call.out(0)), write<float>(call.out(1)),
         reportLater("ERR_WEIGHT", "a weight of the loss is negative; expected weights >= 0"),
         currentContext().status());
}

void elementwiseLossBackward(const Call& call, const char* kernel) {
  const ElementwiseLossAttributes attributes(call);
  const float* prediction = read<float>(call.in(0));
  const float* target = read<float>(call.in(1));
  const float* weight = weightsOf(call);
  const float* divisor = read<float>(call.in(3));
  const float* dy = read<float>(call.in(4));
  const int64_t count = call.in(0).elements();
  launch(kernel, {blocksFor(count, 256)}, {256}, 0, prediction, target, weight, attributes.parameter, divisor, dy,
         write<float>(call.out(0)), count);
}

}  // namespace spinegrad::cuda

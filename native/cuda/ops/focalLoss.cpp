// focalLoss: sums by blocks and their total forward, one kernel backward; kernels/focalLoss.cu says how.

#include "kernels/focalLoss.h"

#include <algorithm>
#include <string>

#include "native/cuda/runtime/device.h"
#include "native/cuda/runtime/launch.h"
#include "native/cuda/runtime/memory.h"
#include "native/cuda/runtime/status.h"
#include "native/engine/contracts.h"

namespace spinegrad::cuda {
namespace {

/// The parameters of the kernels, with the weights of the classes on the device.
struct Parameters {
  explicit Parameters(const FocalLossAttributes& attributes) : alpha(attributes.alpha) {
    view = {.gamma = static_cast<float>(attributes.gamma),
            .smoothing = static_cast<float>(attributes.labelSmoothing),
            .ignoreIndex = static_cast<int32_t>(attributes.ignoreIndex),
            .classes = static_cast<int32_t>(attributes.alpha.size()),
            .alpha = alpha.data(),
            .weighted = attributes.weighted};
  }

  Workspace<float> alpha;
  FocalLossParameters view;
};

FocalLossReports reportsOf(const FocalLossAttributes& attributes, const std::string& invalid) {
  const std::string ignore = std::to_string(attributes.ignoreIndex);
  return {.invalid = reportLater("ERR_TARGET", "focalLoss(): targets" + invalid + " or ignoreIndex " + ignore),
          .allIgnored = reportLater("ERR_NO_TARGETS", "focalLoss(): targets: all are ignored (" + ignore +
                                                          "), expected at least one that counts"),
          .noWeight =
              reportLater("ERR_NO_TARGETS", "focalLoss(): alpha of all targets is 0, so there is no weighted mean")};
}

/// `items`: rows of the softmax form, elements of the sigmoid form.
template <class Target>
void forward(const Call& call, const char* kernel, int64_t items, const std::string& invalid) {
  const FocalLossAttributes attributes(call);
  const Parameters parameters(attributes);
  // The order of the sums is a matter of the shape alone.
  const auto blocks = static_cast<unsigned>(std::min<int64_t>((items + 255) / 256, 256));
  const Workspace<FocalLossSums> sums(blocks);
  const Target* targets = read<Target>(call.in(1));
  launch(kernel, {blocks}, {256}, 0, read<float>(call.in(0)), targets, items, parameters.view, sums.data());
  launch("focalLoss_finish", {1}, {256}, 0, sums.data(), static_cast<int32_t>(blocks), targets,
         static_cast<int32_t>(attributes.reduction), reportsOf(attributes, invalid), currentContext().status(),
         write<float>(call.out(0)), write<float>(call.out(1)));
}

/// in: logits, targets, divisor, dy [1]
template <class Target>
void backward(const Call& call, const char* kernel, int64_t items) {
  const FocalLossAttributes attributes(call);
  const Parameters parameters(attributes);
  launch(kernel, {blocksFor(items, 256)}, {256}, 0, read<float>(call.in(0)), read<Target>(call.in(1)), items,
         parameters.view, read<float>(call.in(2)), read<float>(call.in(3)), write<float>(call.out(0)));
}

void softmaxForward(const Call& call) {
  const Shape& shape = call.in(0).shape;
  forward<int32_t>(call, "focalLoss_softmaxSums", shape[0],
                   "[{position}]: found {value}, expected a class from 0 to " + std::to_string(shape[1] - 1));
}

void softmaxBackward(const Call& call) { backward<int32_t>(call, "focalLoss_softmaxGradient", call.in(0).shape[0]); }

void sigmoidForward(const Call& call) {
  forward<float>(call, "focalLoss_sigmoidSums", call.in(0).elements(),
                 ": element {position} is {float}, expected 0 to 1");
}

void sigmoidBackward(const Call& call) { backward<float>(call, "focalLoss_sigmoidGradient", call.in(0).elements()); }

const Register registerSoftmaxForward("focalLoss.softmaxForward", softmaxForward);
const Register registerSoftmaxBackward("focalLoss.softmaxBackward", softmaxBackward);
const Register registerSigmoidForward("focalLoss.sigmoidForward", sigmoidForward);
const Register registerSigmoidBackward("focalLoss.sigmoidBackward", sigmoidBackward);

}  // namespace
}  // namespace spinegrad::cuda

// focalLoss: forward sums per block and adds the blocks, backward is one kernel; see kernels/focalLoss.cu.

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

/// The parameters of the kernels, with the class weights on the device.
struct Parameters {
  template <class Op>
  explicit Parameters(const Op& op) : alpha(classWeights(op.alpha, op.logits.shape[1])) {
    view = {.gamma = static_cast<float>(op.gamma),
            .smoothing = static_cast<float>(op.labelSmoothing),
            .ignoreIndex = static_cast<int32_t>(op.ignoreIndex),
            .classes = static_cast<int32_t>(op.logits.shape[1]),
            .alpha = alpha.data(),
            .weighted = !op.alpha.empty()};
  }

  Workspace<float> alpha;
  FocalLossParameters view;
};

/// `items` counts the rows of softmax or the elements of sigmoid.
template <class Target>
void forward(const FocalLossForward& op, const char* kernel, int64_t items, const std::string& invalid) {
  const Parameters parameters(op);
  // The order of the sums depends on the shape alone.
  const auto blocks = static_cast<unsigned>(std::min<int64_t>((items + 255) / 256, 256));
  const Workspace<FocalLossSums> sums(blocks);
  const Target* targets = read<Target>(op.targets);
  launch(kernel, {blocks}, {256}, 0, read<float>(op.logits), targets, items, parameters.view, sums.data());
  const std::string message = "focalLoss(): targets" + invalid + " or ignoreIndex " + std::to_string(op.ignoreIndex);
  launch("focalLoss_finish", {1}, {256}, 0, sums.data(), static_cast<int32_t>(blocks), targets,
         static_cast<int32_t>(op.reduction), reportLater("ERR_TARGET", message), currentContext().status(),
         write<float>(op.loss), write<float>(op.divisor));
}

template <class Target>
void backward(const FocalLossBackward& op, const char* kernel, int64_t items) {
  const Parameters parameters(op);
  launch(kernel, {blocksFor(items, 256)}, {256}, 0, read<float>(op.logits), read<Target>(op.targets), items,
         parameters.view, read<float>(op.divisor), read<float>(op.dy), write<float>(op.dx));
}

void softmaxForward(const FocalLossForward& op) {
  const Shape& shape = op.logits.shape;
  forward<int32_t>(op, "focalLoss_softmaxSums", shape[0],
                   "[{position}]: found {value}, expected a class from 0 to " + std::to_string(shape[1] - 1));
}

void softmaxBackward(const FocalLossBackward& op) {
  backward<int32_t>(op, "focalLoss_softmaxGradient", op.logits.shape[0]);
}

void sigmoidForward(const FocalLossForward& op) {
  forward<float>(op, "focalLoss_sigmoidSums", op.logits.elements(), ": element {position} is {float}, expected 0 to 1");
}

void sigmoidBackward(const FocalLossBackward& op) {
  backward<float>(op, "focalLoss_sigmoidGradient", op.logits.elements());
}

const Register<softmaxForward> registerSoftmaxForward("focalLoss.softmaxForward");
const Register<softmaxBackward> registerSoftmaxBackward("focalLoss.softmaxBackward");
const Register<sigmoidForward> registerSigmoidForward("focalLoss.sigmoidForward");
const Register<sigmoidBackward> registerSigmoidBackward("focalLoss.sigmoidBackward");

}  // namespace
}  // namespace spinegrad::cuda

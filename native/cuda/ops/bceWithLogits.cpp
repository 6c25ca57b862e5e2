// bceWithLogits: see kernels/bceWithLogits.cu.

#include "native/cuda/ops/elementwiseLoss.h"
#include "native/cuda/runtime/device.h"

namespace spinegrad::cuda {
namespace {

void forward(const BceWithLogitsForward& op) { elementwiseLossForward(op, "bceWithLogits_sums", 0); }
void backward(const BceWithLogitsBackward& op) { elementwiseLossBackward(op, "bceWithLogits_backward", 0); }

const Register<forward> registerForward("bceWithLogits.forward");
const Register<backward> registerBackward("bceWithLogits.backward");

}  // namespace
}  // namespace spinegrad::cuda

// smoothL1: see kernels/smoothL1.cu.

#include "native/cuda/ops/elementwiseLoss.h"
#include "native/cuda/runtime/device.h"

namespace spinegrad::cuda {
namespace {

void forward(const SmoothL1Forward& op) { elementwiseLossForward(op, "smoothL1_sums", op.beta); }
void backward(const SmoothL1Backward& op) { elementwiseLossBackward(op, "smoothL1_backward", op.beta); }

const Register<forward> registerForward("smoothL1.forward");
const Register<backward> registerBackward("smoothL1.backward");

}  // namespace
}  // namespace spinegrad::cuda

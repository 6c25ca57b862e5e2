// mse: see kernels/mse.cu.

#include "native/cuda/ops/elementwiseLoss.h"
#include "native/cuda/runtime/device.h"

namespace spinegrad::cuda {
namespace {

void forward(const MseForward& op) { elementwiseLossForward(op, "mse_sums", 0); }
void backward(const MseBackward& op) { elementwiseLossBackward(op, "mse_backward", 0); }

const Register<forward> registerForward("mse.forward");
const Register<backward> registerBackward("mse.backward");

}  // namespace
}  // namespace spinegrad::cuda

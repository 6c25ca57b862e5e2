// mse: see kernels/mse.cu.

#include "native/cuda/ops/elementwiseLoss.h"
#include "native/cuda/runtime/device.h"

namespace spinegrad::cuda {
namespace {

const Register registerForward("mse.forward", [](const Call& call) { elementwiseLossForward(call, "mse_sums"); });
const Register registerBackward("mse.backward",
                                [](const Call& call) { elementwiseLossBackward(call, "mse_backward"); });

}  // namespace
}  // namespace spinegrad::cuda

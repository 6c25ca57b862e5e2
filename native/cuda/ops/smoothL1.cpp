// smoothL1: see kernels/smoothL1.cu.

#include "native/cuda/ops/elementwiseLoss.h"
#include "native/cuda/runtime/device.h"

namespace spinegrad::cuda {
namespace {

const Register registerForward("smoothL1.forward",
                               [](const Call& call) { elementwiseLossForward(call, "smoothL1_sums"); });
const Register registerBackward("smoothL1.backward",
                                [](const Call& call) { elementwiseLossBackward(call, "smoothL1_backward"); });

}  // namespace
}  // namespace spinegrad::cuda

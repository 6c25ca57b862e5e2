// ema: inputs are pairs (source, target): a target takes the layout of its source, which is at work in a network.

#include "native/cuda/ops/multitensor.h"
#include "native/cuda/runtime/device.h"

namespace spinegrad::cuda {
namespace {

void step(const Call& call) {
  const auto share = static_cast<float>(1 - call.real(0));
  eachTable<2>(call, [&](const Multitensor<2>& table, unsigned pieces) {
    launch("ema_step", {pieces}, {256}, 0, table, share);
  });
}

const Register registerStep("ema.step", step);

}  // namespace
}  // namespace spinegrad::cuda

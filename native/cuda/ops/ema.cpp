// ema: see kernels/ema.cu. A target takes the layout of its source.

#include "native/cuda/ops/multitensor.h"
#include "native/cuda/runtime/device.h"
#include "native/engine/contracts.h"

namespace spinegrad::cuda {
namespace {

void step(const EmaStep& op) {
  const auto share = static_cast<float>(1 - op.decay);
  changing(op.target);
  eachTable<2>({op.source, op.target}, [&](const Multitensor<2>& table, unsigned pieces) {
    launch("ema_step", {pieces}, {256}, 0, table, share);
  });
}

const Register<step> registerStep("ema.step");

}  // namespace
}  // namespace spinegrad::cuda

// ema: see kernels/ema.cu. A target gets the layout of its source.

#include "native/cuda/ops/multitensor.h"
#include "native/cuda/runtime/device.h"
#include "native/engine/contracts.h"

namespace spinegrad::cuda {
namespace {

void step(const EmaStep& op) {
  const auto weight = static_cast<float>(1 - op.decay);
  changing(op.target);
  eachTable<2>({op.source, op.target}, [&](const Multitensor<2>& table, unsigned chunks) {
    launch("ema_step", {chunks}, {256}, 0, table, weight);
  });
}

const Register<step> registerStep("ema.step");

}  // namespace
}  // namespace spinegrad::cuda

// adamW: inputs are tuples (parameter, gradient, m, v).

#include "native/cuda/ops/multitensor.h"
#include "native/cuda/runtime/device.h"
#include "native/engine/contracts.h"

namespace spinegrad::cuda {
namespace {

void step(const Call& call) {
  const AdamWFactors factors = AdamWAttributes(call).factors();
  eachTable<4>(call, [&](const Multitensor<4>& table, unsigned pieces) {
    launch("adamW_step", {pieces}, {256}, 0, table, factors);
  });
}

const Register registerStep("adamW.step", step);

}  // namespace
}  // namespace spinegrad::cuda

// sgd: inputs are tuples (parameter, gradient, velocity).

#include "native/cuda/ops/multitensor.h"
#include "native/cuda/runtime/device.h"
#include "native/engine/contracts.h"

namespace spinegrad::cuda {
namespace {

void step(const Call& call) {
  const SgdFactors factors = SgdAttributes(call).factors();
  eachTable<3>(call, [&](const Multitensor<3>& table, unsigned pieces) {
    launch("sgd_step", {pieces}, {256}, 0, table, factors);
  });
}

const Register registerStep("sgd.step", step);

}  // namespace
}  // namespace spinegrad::cuda

// sgd: see kernels/sgd.cu.

#include "native/cuda/ops/multitensor.h"
#include "native/cuda/runtime/device.h"
#include "native/engine/contracts.h"

namespace spinegrad::cuda {
namespace {

void step(const SgdStep& op) {
  const SgdFactors factors = factorsOf(op);
  for (const auto list : {op.parameter, op.velocity}) changing(list);
  eachTable<3>({op.parameter, op.gradient, op.velocity}, [&](const Multitensor<3>& table, unsigned chunks) {
    launch("sgd_step", {chunks}, {256}, 0, table, factors);
  });
}

const Register<step> registerStep("sgd.step");

}  // namespace
}  // namespace spinegrad::cuda

// adamW: see kernels/adamW.cu.

#include "native/cuda/ops/multitensor.h"
#include "native/cuda/runtime/device.h"
#include "native/engine/contracts.h"

namespace spinegrad::cuda {
namespace {

void step(const AdamWStep& op) {
  const AdamWFactors factors = factorsOf(op);
  for (const auto list : {op.parameter, op.firstMoment, op.secondMoment}) changing(list);
  eachTable<4>(
      {op.parameter, op.gradient, op.firstMoment, op.secondMoment},
      [&](const Multitensor<4>& table, unsigned chunks) { launch("adamW_step", {chunks}, {256}, 0, table, factors); });
}

const Register<step> registerStep("adamW.step");

}  // namespace
}  // namespace spinegrad::cuda

// sgd: inputs are tuples (parameter, gradient, velocity).

#include "kernels/sgd.h"

#include "native/cuda/device.h"
#include "native/cuda/multitensor.h"
#include "native/engine/contracts.h"

namespace spinegrad::cuda {
namespace {

void step(const Call& call) {
  const SgdAttributes attributes(call);
  const auto momentum = static_cast<float>(attributes.momentum);
  const double shrink = attributes.learningRate * attributes.weightDecay;
  const SgdFactors factors{
      .coupledDecay = attributes.decoupled ? 0 : static_cast<float>(attributes.weightDecay),
      .decay = attributes.decoupled ? static_cast<float>(1 - shrink) : 1,
      .momentum = momentum,
      .learningRate = static_cast<float>(attributes.learningRate),
      .velocityShare = attributes.nesterov ? momentum : 1,
      .gradientShare = attributes.nesterov ? 1.0f : 0.0f,
  };
  eachTable<3>(call, [&](const Multitensor<3>& table, unsigned pieces) {
    launch("sgd_step", {pieces}, {256}, 0, table, factors);
  });
}

const Register registerStep("sgd.step", step);

}  // namespace
}  // namespace spinegrad::cuda

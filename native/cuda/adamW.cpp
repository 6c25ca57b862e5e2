// adamW: the factors of the step, computed once in double; inputs are tuples (parameter, gradient, m, v).

#include "kernels/adamW.h"

#include <cmath>

#include "native/cuda/device.h"
#include "native/cuda/multitensor.h"
#include "native/engine/contracts.h"

namespace spinegrad::cuda {
namespace {

void step(const Call& call) {
  const AdamWAttributes attributes(call);
  const auto t = static_cast<double>(attributes.step);
  const AdamWFactors factors{
      .decay = static_cast<float>(1 - attributes.learningRate * attributes.weightDecay),
      .oneMinusBeta1 = static_cast<float>(1 - attributes.beta1),
      .beta2 = static_cast<float>(attributes.beta2),
      .oneMinusBeta2 = static_cast<float>(1 - attributes.beta2),
      .stepSize = static_cast<float>(attributes.learningRate / (1 - std::pow(attributes.beta1, t))),
      .rootCorrection2 = static_cast<float>(std::sqrt(1 - std::pow(attributes.beta2, t))),
      .eps = static_cast<float>(attributes.eps),
  };
  eachTable<4>(call, [&](const Multitensor<4>& table, unsigned pieces) {
    launch("adamW_step", {pieces}, {256}, 0, table, factors);
  });
}

const Register registerStep("adamW.step", step);

}  // namespace
}  // namespace spinegrad::cuda

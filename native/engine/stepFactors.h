// What the optimizers work out once a step, in double, and then apply to every value: the same numbers on all backends,
// and the parameters of their kernels. AdamWAttributes and SgdAttributes (contracts.h) make them.
#pragma once

namespace spinegrad {

struct AdamWFactors {
  float decay, oneMinusBeta1, beta2, oneMinusBeta2, stepSize, rootCorrection2, eps;
};

struct SgdFactors {
  /// Weight decay inside the gradient, and what is left of the parameter by the decoupled one.
  float coupledDecay, decay, momentum, learningRate;
  /// The velocity's and the gradient's share of the step.
  float velocityShare, gradientShare;
};

}  // namespace spinegrad

// What the kernel of sgd and its launcher agree on.
#pragma once

namespace spinegrad {

struct SgdFactors {
  /// Weight decay inside the gradient, and what is left of the parameter by the decoupled one.
  float coupledDecay, decay, momentum, learningRate;
  /// The velocity's and the gradient's share of the step.
  float velocityShare, gradientShare;
};

}  // namespace spinegrad

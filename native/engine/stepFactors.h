// The numbers that an optimizer computes once per step, in double, and then applies to every value: equal on all
// backends, and the parameters of the kernels. factorsOf() in contracts.h computes them.
#pragma once

namespace spinegrad {

struct AdamWFactors {
  float decay, oneMinusBeta1, beta2, oneMinusBeta2, stepSize, rootCorrection2, eps;
};

struct SgdFactors {
  /// Weight decay added to the gradient, and the factor of the parameter under decoupled decay.
  float coupledDecay, decay, momentum, learningRate;
  /// Fractions of the velocity and of the gradient in the step.
  float velocityFraction, gradientFraction;
};

struct LarsFactors {
  double learningRate;
  float momentum, weightDecay;
  /// Trust coefficient.
  double trust;
};

}  // namespace spinegrad

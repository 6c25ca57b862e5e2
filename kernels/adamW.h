// What the kernel of adamW and its launcher agree on.
#pragma once

namespace spinegrad {

struct AdamWFactors {
  float decay, oneMinusBeta1, beta2, oneMinusBeta2, stepSize, rootCorrection2, eps;
};

}  // namespace spinegrad

// smoothL1: with d = prediction - target, the weighted d^2 / (2 beta) if |d| < beta, else |d| - beta / 2; see
// lib/elementwiseLoss.cuh. Bound by memory.
#include "kernels/lib/elementwiseLoss.cuh"

SPINEGRAD_KERNEL(smoothL1_sums, 256,
                 (const float* prediction, const float* target, const float* weight, double beta, LossSums* partials,
                  int64_t count)) {
  const double curvature = 1 / (2 * beta);
  lossChunkSums(prediction, target, weight, partials, count, [=](float p, float y) {
    const double d = fabs(static_cast<double>(p) - y);
    return d < beta ? d * d * curvature : d - beta / 2;
  });
}

SPINEGRAD_KERNEL(smoothL1_backward, 256,
                 (const float* prediction, const float* target, const float* weight, double beta, const float* divisor,
                  const float* dy, float* gradient, int64_t count)) {
  const float inverse = static_cast<float>(1 / beta);
  lossGradient(prediction, target, weight, divisor, dy, gradient, count, [=](float p, float y) {
    const float slope = (p - y) * inverse;  // NaN stays NaN
    return slope > 1 ? 1.0f : slope < -1 ? -1.0f : slope;
  });
}

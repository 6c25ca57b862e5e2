// mse: the weighted squared difference of prediction and target; see lib/elementwiseLoss.cuh. Bound by memory.
#include "kernels/lib/elementwiseLoss.cuh"

SPINEGRAD_KERNEL(mse_sums, 256,
                 (const float* prediction, const float* target, const float* weight, double, LossSums* partials,
                  int64_t count)) {
  lossChunkSums(prediction, target, weight, partials, count, [](float p, float y) {
    const double d = static_cast<double>(p) - y;
    return d * d;
  });
}

SPINEGRAD_KERNEL(mse_backward, 256,
                 (const float* prediction, const float* target, const float* weight, double, const float* divisor,
                  const float* dy, float* gradient, int64_t count)) {
  lossGradient(prediction, target, weight, divisor, dy, gradient, count, [](float p, float y) { return 2 * (p - y); });
}

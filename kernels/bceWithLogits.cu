// bceWithLogits: with z the logit and y the target, the weighted (1 - y) max(z, 0) + y max(-z, 0) + log(1 + exp(-|z|));
// see lib/elementwiseLoss.cuh. Bound by memory. The formula of both passes is explained in
// native/cpu/ops/bceWithLogits.cpp.
#include "kernels/lib/elementwiseLoss.cuh"

SPINEGRAD_KERNEL(bceWithLogits_sums, 256,
                 (const float* logit, const float* target, const float* weight, double, LossSums* partials,
                  int64_t count)) {
  lossChunkSums(logit, target, weight, partials, count, [](float z, float y) {
    const float size = fabsf(z);
    return (z > 0 ? 1.0f - y : y) * size + log1pf(expf(-size));
  });
}

SPINEGRAD_KERNEL(bceWithLogits_backward, 256,
                 (const float* logit, const float* target, const float* weight, double, const float* divisor,
                  const float* dy, float* gradient, int64_t count)) {
  lossGradient(logit, target, weight, divisor, dy, gradient, count, [](float z, float y) {
    const float e = expf(-fabsf(z)), large = 1.0f / (1.0f + e), small = e * large;
    return (1.0f - y) * (z > 0 ? large : small) - y * (z > 0 ? small : large);
  });
}

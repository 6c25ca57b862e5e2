// attentionPool: y_n = sum over k of a_nk h_nk, with a_n the softmax of the scores of group n without masked instances.
// With g_k = dy_n . h_nk, backward is dh_nk = a_nk dy_n and ds_nk = a_nk (g_k - sum over j of a_nj g_j).
//
// A group has a few instances (series or slices) of several hundred features: 64 groups of 8 instances with 512
// features are 1 MB, so the number of launches is the cost. The weights take one thread per group, the pooling one
// thread per feature, the gradients one warp per instance, then one thread per group. All sums run in a fixed order.
// Instances of weight 0 are not read.
#include "kernels/lib/reduce.cuh"
#include "kernels/lib/status.cuh"

/// One block, so that the first empty group is reported whatever the order of the threads.
SPINEGRAD_KERNEL(attentionPool_weights, 256,
                 (const float* __restrict__ scores, const uint8_t* __restrict__ mask, int64_t groups, int64_t instances,
                  float* __restrict__ weights, int32_t report, Status* status)) {
  int64_t empty = groups;
  for (int64_t n = threadIdx.x; n < groups; n += blockDim.x) {
    const int64_t first = n * instances, end = first + instances;
    float max = 0;
    bool any = false;
    for (int64_t k = first; k < end; ++k) {
      // A NaN score makes all weights of the group NaN.
      if (mask[k] != 0 && (!any || !(scores[k] <= max))) {
        max = scores[k];
        any = true;
      }
    }
    if (!any && n < empty) empty = n;
    double total = 0;
    for (int64_t k = first; k < end; ++k) {
      const float weight = mask[k] != 0 ? expf(scores[k] - max) : 0.0f;
      weights[k] = weight;
      total += weight;
    }
    for (int64_t k = first; k < end; ++k) weights[k] = any ? static_cast<float>(weights[k] / total) : 0.0f;
  }
  empty = -blockReduce(-empty, -groups, Max());
  if (threadIdx.x == 0 && empty < groups) reportOnce(status, report, 0, empty);
}

SPINEGRAD_KERNEL(attentionPool_forward, 256,
                 (const float* __restrict__ embeddings, const float* __restrict__ weights, int64_t groups,
                  int64_t instances, int64_t features, float* __restrict__ y)) {
  for (int64_t item = globalThread(); item < groups * features; item += gridThreads()) {
    const int64_t n = item / features, feature = item - n * features;
    float sum = 0;
    for (int64_t k = n * instances; k < (n + 1) * instances; ++k) {
      if (weights[k] != 0) sum += weights[k] * embeddings[k * features + feature];
    }
    y[item] = sum;
  }
}

/// One warp per instance. dEmbeddings or slopes may be null. `slopes` are g_k.
SPINEGRAD_KERNEL(attentionPool_backward, 128,
                 (const float* __restrict__ embeddings, const float* __restrict__ weights, const float* __restrict__ dy,
                  int64_t rows, int64_t instances, int64_t features, float* __restrict__ dEmbeddings,
                  float* __restrict__ slopes)) {
  for (int64_t k = globalThread() / 32; k < rows; k += gridThreads() / 32) {
    const float weight = weights[k];
    const float* gradient = dy + k / instances * features;
    double slope = 0;
    for (int64_t feature = laneId(); feature < features; feature += 32) {
      const float value = weight != 0 ? gradient[feature] : 0.0f;
      if (dEmbeddings != nullptr) dEmbeddings[k * features + feature] = weight * value;
      if (slopes != nullptr && weight != 0) {
        slope += static_cast<double>(value) * embeddings[k * features + feature];
      }
    }
    slope = warpSum(slope);
    if (slopes != nullptr && laneId() == 0) slopes[k] = static_cast<float>(slope);
  }
}

/// In place: slopes to the gradients of the scores.
SPINEGRAD_KERNEL(attentionPool_scores, 128,
                 (const float* __restrict__ weights, int64_t groups, int64_t instances, float* __restrict__ slopes)) {
  for (int64_t n = globalThread(); n < groups; n += gridThreads()) {
    const int64_t first = n * instances, end = first + instances;
    double mean = 0;
    for (int64_t k = first; k < end; ++k) mean += static_cast<double>(weights[k]) * slopes[k];
    for (int64_t k = first; k < end; ++k) slopes[k] = static_cast<float>(weights[k] * (slopes[k] - mean));
  }
}

// attentionPool: y_n = sum over k of a_nk h_nk, with a_n the softmax of the scores of group n without masked instances.
// With g_k = dy_n . h_nk, backward is dh_nk = a_nk dy_n and ds_nk = a_nk (g_k - sum over j of a_nj g_j). A thread
// processes whole groups, so the order of sums is fixed. Instances of weight 0 are not read.

#include <algorithm>
#include <cmath>
#include <string>

#include "native/cpu/runtime/device.h"
#include "native/cpu/runtime/memory.h"
#include "native/cpu/runtime/reduce.h"
#include "native/cpu/runtime/simd.h"
#include "native/engine/contracts.h"
#include "native/engine/error.h"

namespace spinegrad::cpu {
namespace {

SPINEGRAD_SIMD void addScaled(const float* x, float factor, float* y, int64_t count) {
  for (int64_t i = 0; i < count; ++i) y[i] += factor * x[i];
}

SPINEGRAD_SIMD void scale(const float* x, float factor, float* y, int64_t count) {
  for (int64_t i = 0; i < count; ++i) y[i] = factor * x[i];
}

/// Softmax of the scores whose mask is not 0; the other weights are 0.
void attend(const float* scores, const uint8_t* mask, float* weights, int64_t count) {
  float max = -INFINITY;
  for (int64_t k = 0; k < count; ++k) {
    // A NaN score makes all weights of the group NaN.
    if (mask[k] != 0 && !(scores[k] <= max)) max = scores[k];
  }
  double total = 0;
  for (int64_t k = 0; k < count; ++k) {
    weights[k] = mask[k] != 0 ? std::exp(scores[k] - max) : 0.0f;
    total += weights[k];
  }
  for (int64_t k = 0; k < count; ++k) weights[k] = static_cast<float>(weights[k] / total);
}

void checkGroups(const uint8_t* mask, int64_t groups, int64_t instances) {
  for (int64_t n = 0; n < groups; ++n) {
    const uint8_t* row = mask + n * instances;
    if (std::any_of(row, row + instances, [](uint8_t present) { return present != 0; })) continue;
    throw Error("ERR_EMPTY_GROUP",
                "attentionPool(): mask: group " + std::to_string(n) + " has no instance, expected at least one");
  }
}

void forward(const AttentionPoolForward& op) {
  const int64_t groups = op.mask.shape[0], instances = op.mask.shape[1], features = op.y.shape[1];
  const float* embeddings = read<float>(op.embeddings);
  const float* scores = read<float>(op.scores);
  const uint8_t* mask = read<uint8_t>(op.mask);
  float* y = write<float>(op.y);
  float* weights = write<float>(op.weights);
  checkGroups(mask, groups, instances);
#pragma omp parallel for schedule(static)
  for (int64_t n = 0; n < groups; ++n) {
    const int64_t first = n * instances;
    float* pooled = y + n * features;
    attend(scores + first, mask + first, weights + first, instances);
    std::fill_n(pooled, features, 0.0f);
    for (int64_t k = first; k < first + instances; ++k) {
      if (weights[k] != 0) addScaled(embeddings + k * features, weights[k], pooled, features);
    }
  }
}

void backward(const AttentionPoolBackward& op) {
  const int64_t groups = op.weights.shape[0], instances = op.weights.shape[1], features = op.dy.shape[1];
  const float* embeddings = read<float>(op.embeddings);
  const float* weights = read<float>(op.weights);
  const float* dy = read<float>(op.dy);
  float* dEmbeddings = op.dEmbeddings != nullptr ? write<float>(*op.dEmbeddings) : nullptr;
  float* dScores = op.dScores != nullptr ? write<float>(*op.dScores) : nullptr;
#pragma omp parallel for schedule(static)
  for (int64_t n = 0; n < groups; ++n) {
    const int64_t first = n * instances, end = first + instances;
    const float* gradient = dy + n * features;
    if (dEmbeddings != nullptr) {
      for (int64_t k = first; k < end; ++k) {
        if (weights[k] != 0)
          scale(gradient, weights[k], dEmbeddings + k * features, features);
        else
          std::fill_n(dEmbeddings + k * features, features, 0.0f);
      }
    }
    if (dScores == nullptr) continue;
    double mean = 0;
    for (int64_t k = first; k < end; ++k) {
      dScores[k] = weights[k] != 0 ? static_cast<float>(dotOf(gradient, embeddings + k * features, features)) : 0.0f;
      mean += static_cast<double>(weights[k]) * dScores[k];
    }
    for (int64_t k = first; k < end; ++k) {
      dScores[k] = static_cast<float>(weights[k] * (dScores[k] - mean));
    }
  }
}

const Register<forward> registerForward("attentionPool.forward");
const Register<backward> registerBackward("attentionPool.backward");

}  // namespace
}  // namespace spinegrad::cpu

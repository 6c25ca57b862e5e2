// queryInfoNCE: contrastive loss of queries Q [rows, dimension] against constant keys K [columns, dimension] with
// integer labels. A block owns a query, and each of its eight warps visits every eighth key: the lanes add the products
// of the dimension, so S = Q K^T / temperature is never in memory. Forward keeps an online log-sum-exp per warp and
// merges the warps in order. Backward computes the similarities again and adds g_j K_j, 128 of the dimension per block
// (grid y).
//
// 64 queries against 4,096 keys of 128 values are 64 blocks and 134 MB through L2 in forward, twice that in backward;
// next to the encoder that is little, so the tiles of tensor cores of infoNCE are not used.
#include "kernels/lib/reduce.cuh"
#include "kernels/lib/status.cuh"
#include "kernels/queryInfoNCE.h"

namespace {

constexpr int threads = 256, warps = threads / 32;
constexpr int perLane = queryInfoNCEGradient / 32;
constexpr float infinity = INFINITY;

__device__ __forceinline__ float scaleOf(const QueryInfoNCEProblem& problem) {
  return problem.logScale != nullptr ? expf(*problem.logScale) : problem.scale;
}

/// Calls visit(similarity, key) for the keys of this warp, in order.
template <class Visit>
__device__ __forceinline__ void eachKey(const QueryInfoNCEProblem& problem, Visit visit) {
  const float scale = scaleOf(problem);
  const float* query = problem.queries + int64_t(blockIdx.x) * problem.dimension;
  for (int32_t key = warpId(); key < problem.columns; key += warps) {
    const float* values = problem.keys + int64_t(key) * problem.dimension;
    float dot = 0;
    for (int32_t d = laneId(); d < problem.dimension; d += 32) dot += query[d] * values[d];
    visit(scale * warpSum(dot), key);
  }
}

struct LogSum {
  float max = -infinity, sum = 0;

  __device__ __forceinline__ void add(float value) { merge(value, 1); }
  __device__ __forceinline__ void merge(float otherMax, float otherSum) {
    const float newMax = otherMax > max ? otherMax : max;
    if (newMax == -infinity) return;
    sum = sum * expf(max - newMax) + otherSum * expf(otherMax - newMax);
    max = newMax;
  }
};

/// What a warp found: log-sum-exps of all its keys and of the positives, their number and the sum of their
/// similarities.
struct Found {
  LogSum all, positive;
  float similarity = 0;
  int32_t positives = 0;
};

}  // namespace

/// terms [rows]: the loss of each query; 0 without a positive, whose log-sum-exps are infinite.
SPINEGRAD_KERNEL(queryInfoNCE_forward, threads,
                 (QueryInfoNCEProblem problem, float* logSum, float* positiveLogSum, float* terms)) {
  SPINEGRAD_SHARED(float[warps][6], results);
  Found found;
  const int32_t label = problem.labels[blockIdx.x];
  eachKey(problem, [&](float s, int32_t key) {
    found.all.add(s);
    if (problem.keyLabels[key] != label) return;
    found.positives += 1;
    found.similarity += s;
    if (problem.meanInside) found.positive.add(s);
  });
  if (laneId() == 0) {
    float(&result)[6] = results[warpId()];
    result[0] = found.all.max;
    result[1] = found.all.sum;
    result[2] = found.positive.max;
    result[3] = found.positive.sum;
    result[4] = found.similarity;
    result[5] = static_cast<float>(found.positives);
  }
  __syncthreads();
  if (threadIdx.x != 0) return;
  Found total;
  float positives = 0;
  for (int warp = 0; warp < warps; ++warp) {
    const float(&result)[6] = results[warp];
    total.all.merge(result[0], result[1]);
    total.positive.merge(result[2], result[3]);
    total.similarity += result[4];
    positives += result[5];
  }
  const float z = positives > 0 ? total.all.max + logf(total.all.sum) : infinity;
  logSum[blockIdx.x] = z;
  float attraction = total.similarity / positives;
  if (problem.meanInside) {
    attraction = positives > 0 ? total.positive.max + logf(total.positive.sum) : infinity;
    positiveLogSum[blockIdx.x] = attraction;
  }
  terms[blockIdx.x] = positives > 0 ? z - attraction : 0.0f;
}

/// One block. Reports if no query has a positive.
SPINEGRAD_KERNEL(queryInfoNCE_loss, threads,
                 (const float* terms, const float* logSum, int32_t rows, int32_t report, Status* status, float* loss)) {
  double total = 0;
  int32_t valid = 0;
  for (int32_t row = threadIdx.x; row < rows; row += blockDim.x) {
    total += terms[row];
    valid += logSum[row] < infinity;
  }
  total = blockSum(total);
  valid = blockSum(valid);
  if (threadIdx.x != 0) return;
  *loss = static_cast<float>(total) / static_cast<float>(valid);
  if (valid == 0) reportOnce(status, report, rows, 0);
}

/// grid: queries, 128 values of the dimension. Each lane owns four of the values.
SPINEGRAD_KERNEL(queryInfoNCE_backward, threads,
                 (QueryInfoNCEProblem problem, const float* logSum, const float* positiveLogSum, const float* dy,
                  float* gradient)) {
  SPINEGRAD_SHARED(float[warps][queryInfoNCEGradient], repelled);
  SPINEGRAD_SHARED(float[warps][queryInfoNCEGradient], attracted);
  SPINEGRAD_SHARED(int32_t[warps], counts);
  const float z = logSum[blockIdx.x], zPositive = problem.meanInside ? positiveLogSum[blockIdx.x] : 0.0f;
  const int32_t label = problem.labels[blockIdx.x];
  const auto first = static_cast<int32_t>(blockIdx.y) * queryInfoNCEGradient;
  float all[perLane] = {}, positive[perLane] = {};
  int32_t positives = 0;
  eachKey(problem, [&](float s, int32_t key) {
    const bool isPositive = problem.keyLabels[key] == label;
    const float probability = expf(s - z);
    const float target = !isPositive ? 0.0f : problem.meanInside ? expf(s - zPositive) : 1.0f;
    positives += isPositive;
#pragma unroll
    for (int i = 0; i < perLane; ++i) {
      const int32_t d = first + 32 * i + laneId();
      const float value = d < problem.dimension ? problem.keys[int64_t(key) * problem.dimension + d] : 0.0f;
      all[i] += probability * value;
      positive[i] += target * value;
    }
  });
#pragma unroll
  for (int i = 0; i < perLane; ++i) {
    repelled[warpId()][32 * i + laneId()] = all[i];
    attracted[warpId()][32 * i + laneId()] = positive[i];
  }
  if (laneId() == 0) counts[warpId()] = positives;
  int32_t valid = 0;
  for (int32_t row = threadIdx.x; row < problem.rows; row += blockDim.x) valid += logSum[row] < infinity;
  valid = blockSum(valid);  // synchronises the block
  const int32_t d = first + static_cast<int32_t>(threadIdx.x);
  if (threadIdx.x >= queryInfoNCEGradient || d >= problem.dimension) return;
  float repulsion = 0, attraction = 0;
  int32_t count = 0;
  for (int warp = 0; warp < warps; ++warp) {
    repulsion += repelled[warp][threadIdx.x];
    attraction += attracted[warp][threadIdx.x];
    count += counts[warp];
  }
  if (!problem.meanInside && count > 0) attraction /= static_cast<float>(count);
  const float factor = *dy * scaleOf(problem) / static_cast<float>(valid);
  gradient[int64_t(blockIdx.x) * problem.dimension + d] = factor * (repulsion - attraction);
}

/// One block. The loss depends on Q only through S, which is linear in Q, so dL / d log(1 / temperature) = sum(Q * dQ).
SPINEGRAD_KERNEL(queryInfoNCE_scaleGradient, threads,
                 (const float* queries, const float* gradient, int64_t count, float* dLogScale)) {
  double dot = 0;
  for (int64_t i = threadIdx.x; i < count; i += blockDim.x) dot += static_cast<double>(queries[i]) * gradient[i];
  dot = blockSum(dot);
  if (threadIdx.x == 0) *dLogScale = static_cast<float>(dot);
}

// infoNCE: contrastive loss of embeddings E [rows, dimension] with integer labels. It works on tiles of S = E E^T /
// temperature; no rows x rows matrix is in memory in either pass. Forward keeps an online log-sum-exp Z of each row.
// Backward computes the tile again and turns it into M = G + G^T, with m_ij = exp(s_ij - Z_i) + exp(s_ij - Z_j) - (the
// positives) and dE_i = factor * sum over j of m_ij E_j.
//
// A block of four warps owns 64 rows and visits column tiles of 64. A warp has 16 of the rows and all 64 columns, so a
// row's maximum and sum stay within four lanes. If there are few rows, the columns are split over blocks (grid y),
// whose results a second kernel adds in order: 512 rows are 8 x 8 blocks.
#include "kernels/infoNCE.h"
#include "kernels/lib/reduce.cuh"
#include "kernels/lib/similarity.cuh"
#include "kernels/lib/status.cuh"
#include "kernels/lib/vector.cuh"

using namespace similarity;

namespace {

constexpr int maxGradientSteps = infoNCEGradient / tileK;
constexpr float infinity = INFINITY;

__device__ __forceinline__ float scaleOf(const InfoNCEProblem& problem) {
  return problem.logScale != nullptr ? expf(*problem.logScale) : problem.scale;
}

// Precision: TF32 keeps 11 bits of a factor, and at temperature 0.07 an error of 2^-11 in a cosine is an error of 0.7 %
// in its exponential. So each factor is split in two and three products are added (all but small * small): 22 bits for
// three times the instructions. S of 512 rows x 128 is 0.07 GFLOP before this factor, little next to the encoder.
//
// Memory: K is copied 32 values at a time by cp.async into one of two buffers of 64 x 32 for the rows and the columns,
// 36 KB in all. Rows are 36 floats apart, so neither ldmatrix along K nor single words across it have bank conflicts. A
// step reads 16 KB through L2 for 2 * 64 * 64 * 32 * 3 operations, 48 per byte. Backward multiplies M, in registers, by
// the same columns, 128 of the dimension per block (grid z): 64 accumulators per thread next to the 32 of S.
//
// The plain variant runs ordinary instructions on the same tiles. It is the second oracle, and the kernel of sm_75.

// ---- Forward ----

struct LogSum {
  float rowMax = -infinity, sumExp = 0;

  /// Adds 16 values, value(group, i). `rowMax` is the maximum of the four lanes that share the row, `sumExp` the sum of
  /// this lane.
  template <class Value>
  __device__ __forceinline__ void add(Value value) {
    float newMax = rowMax;
#pragma unroll
    for (int group = 0; group < columnGroups; ++group) {
#pragma unroll
      for (int i = 0; i < 2; ++i) newMax = value(group, i) > newMax ? value(group, i) : newMax;
    }
    newMax = warpReduce<4>(newMax, Max());
    const float shift = newMax == -infinity ? 0.0f : newMax;
    sumExp *= expf(rowMax - shift);
#pragma unroll
    for (int group = 0; group < columnGroups; ++group) {
#pragma unroll
      for (int i = 0; i < 2; ++i) sumExp += expf(value(group, i) - shift);
    }
    rowMax = newMax;
  }
};

template <class Product>
__device__ __forceinline__ void forward(const InfoNCEProblem& problem, InfoNCESplit* results) {
  SPINEGRAD_SHARED(TilePipeline::Buffer[2], buffers);
  SPINEGRAD_SHARED(ColumnData[2], columnData);
  TilePipeline pipeline(problem, {nullptr, nullptr}, buffers, columnData, 0, 0);
  const int t = laneId() % 4;
  const int32_t row = pipeline.firstRow + warpId() * 16 + laneId() / 4;
  const float scale = scaleOf(problem);
  int32_t label[2];
  LogSum all[2], positive[2];
  float positiveSimilarity[2] = {};
#pragma unroll
  for (int r = 0; r < 2; ++r) label[r] = row + 8 * r < problem.rows ? problem.labels[row + 8 * r] : 0;

#pragma unroll 1
  for (int32_t tile = pipeline.firstTile; tile < pipeline.endTile; ++tile) {
    float s[columnGroups][4] = {};
    pipeline.similarities<Product>(s);
    const ColumnData& columns = columnData[tile % 2];
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      uint32_t positiveMask = 0;  // one bit per column of the lane
#pragma unroll
      for (int group = 0; group < columnGroups; ++group) {
#pragma unroll
        for (int i = 0; i < 2; ++i) {
          const int tileColumn = 8 * group + 2 * t + i;
          const int32_t column = tile * tileSide + tileColumn;
          const bool isOther = column < problem.rows && column != row + 8 * r;
          float& value = s[group][2 * r + i];
          value = isOther ? value * scale : -infinity;
          if (isOther && columns.label[tileColumn] == label[r]) positiveMask |= 1u << (2 * group + i);
        }
      }
      all[r].add([&](int group, int i) { return s[group][2 * r + i]; });
      if (problem.meanInside) {
        positive[r].add(
            [&](int group, int i) { return positiveMask >> (2 * group + i) & 1 ? s[group][2 * r + i] : -infinity; });
      } else {
#pragma unroll
        for (int group = 0; group < columnGroups; ++group) {
#pragma unroll
          for (int i = 0; i < 2; ++i)
            positiveSimilarity[r] += positiveMask >> (2 * group + i) & 1 ? s[group][2 * r + i] : 0.0f;
        }
      }
    }
  }
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    const Float4 result = {{all[r].rowMax, warpSum<4>(all[r].sumExp),
                            problem.meanInside ? positive[r].rowMax : warpSum<4>(positiveSimilarity[r]),
                            warpSum<4>(positive[r].sumExp)}};
    if (t == 0 && row + 8 * r < problem.rows) {
      store(&results[int64_t(blockIdx.y) * problem.rows + row + 8 * r].rowMax, result);
    }
  }
}

/// Merges the log-sum-exps of the splits of a row. logSum(split) returns a LogSum.
template <class LogSumOf>
__device__ __forceinline__ float mergeLogSums(int32_t splits, LogSumOf logSum) {
  float rowMax = -infinity, sumExp = 0;
  for (int32_t split = 0; split < splits; ++split)
    rowMax = logSum(split).rowMax > rowMax ? logSum(split).rowMax : rowMax;
  const float shift = rowMax == -infinity ? 0.0f : rowMax;
  for (int32_t split = 0; split < splits; ++split) sumExp += logSum(split).sumExp * expf(logSum(split).rowMax - shift);
  return rowMax + logf(sumExp);
}

// ---- Backward ----

template <class Product>
__device__ __forceinline__ void backward(const InfoNCEProblem& problem, const int32_t* positives,
                                         const InfoNCELogSums& logSums, float* results) {
  SPINEGRAD_SHARED(TilePipeline::Buffer[2], buffers);
  SPINEGRAD_SHARED(ColumnData[2], columnData);
  const int32_t gradientFrom = blockIdx.z * infoNCEGradient;
  const int32_t gradientSteps = min(maxGradientSteps, ceilDivide(problem.dimension - gradientFrom, tileK));
  TilePipeline pipeline(problem, logSums, buffers, columnData, gradientSteps, gradientFrom);
  const int t = laneId() % 4;
  const int32_t row = pipeline.firstRow + warpId() * 16 + laneId() / 4;
  const float scale = scaleOf(problem);
  int32_t label[2];
  float z[2], zPositive[2], positiveTerm[2];
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    const bool exists = row + 8 * r < problem.rows;
    label[r] = exists ? problem.labels[row + 8 * r] : 0;
    z[r] = exists ? logSums.all[row + 8 * r] : infinity;
    zPositive[r] = exists && problem.meanInside ? logSums.positive[row + 8 * r] : infinity;
    positiveTerm[r] = exists ? 2 / static_cast<float>(positives[row + 8 * r]) : 0.0f;
  }

  float sums[maxGradientSteps][tileK / 8][4] = {};
#pragma unroll 1
  for (int32_t tile = pipeline.firstTile; tile < pipeline.endTile; ++tile) {
    float m[columnGroups][4] = {};
    pipeline.similarities<Product>(m);
    const ColumnData& columns = columnData[tile % 2];
#pragma unroll
    for (int group = 0; group < columnGroups; ++group) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int r = i / 2, tileColumn = 8 * group + 2 * t + i % 2;
        const int32_t column = tile * tileSide + tileColumn;
        const float s = m[group][i] * scale;
        float value = expf(s - z[r]) + expf(s - columns.z[tileColumn]);
        if (columns.label[tileColumn] == label[r]) {
          value -=
              problem.meanInside ? expf(s - zPositive[r]) + expf(s - columns.zPositive[tileColumn]) : positiveTerm[r];
        }
        m[group][i] = column < problem.rows && column != row + 8 * r ? value : 0.0f;
      }
    }
#pragma unroll
    for (int step = 0; step < maxGradientSteps; ++step) {
      if (step < gradientSteps) Product::multiplyByColumns(m, pipeline.next().columns, sums[step]);
    }
  }

#pragma unroll
  for (int step = 0; step < maxGradientSteps; ++step) {
#pragma unroll
    for (int d = 0; d < tileK / 8; ++d) {
#pragma unroll
      for (int r = 0; r < 2; ++r) {
        const int32_t resultRow = row + 8 * r, column = gradientFrom + step * tileK + 8 * d + 2 * t;
        if (resultRow >= problem.rows || column >= problem.dimension) continue;
        float* const to = results + (int64_t(blockIdx.y) * problem.rows + resultRow) * problem.dimension + column;
        if (problem.dimension % 2 == 0) {
          store(to, Float2{{sums[step][d][2 * r], sums[step][d][2 * r + 1]}});
        } else {
          to[0] = sums[step][d][2 * r];
          if (column + 1 < problem.dimension) to[1] = sums[step][d][2 * r + 1];
        }
      }
    }
  }
}

}  // namespace

/// Counts the positives of each row, one warp per row.
SPINEGRAD_KERNEL(infoNCE_positives, 128, (const int32_t* __restrict__ labels, int32_t rows, int32_t* positives)) {
  for (int64_t row = globalThread() / 32; row < rows; row += gridThreads() / 32) {
    const int32_t label = labels[row];
    int32_t count = 0;
    for (int32_t other = laneId(); other < rows; other += 32) count += labels[other] == label;
    count = warpSum(count);
    if (laneId() == 0) positives[row] = count - 1;
  }
}

/// results [splits, rows]. grid: row tiles, splits of the columns.
SPINEGRAD_KERNEL(infoNCE_forward_tf32, threads, (InfoNCEProblem problem, InfoNCESplit* results)) {
  forward<TensorCoreProduct>(problem, results);
}

SPINEGRAD_KERNEL(infoNCE_forward_plain, threads, (InfoNCEProblem problem, InfoNCESplit* results)) {
  forward<PlainProduct>(problem, results);
}

/// One block merges the splits and averages over the rows that have positives.
SPINEGRAD_KERNEL(infoNCE_loss, 512,
                 (const InfoNCESplit* results, int32_t splits, const int32_t* positives, int32_t rows,
                  int32_t meanInside, InfoNCELogSums logSums, int32_t report, Status* status, float* loss)) {
  double total = 0;
  int32_t validRows = 0;
  for (int64_t row = threadIdx.x; row < rows; row += blockDim.x) {
    const auto resultOf = [&](int32_t split) {
      const Float4 values = load<Float4>(&results[int64_t(split) * rows + row].rowMax);
      return InfoNCESplit{values[0], values[1], values[2], values[3]};
    };
    const bool valid = positives[row] > 0;
    const float z = mergeLogSums(splits, [&](int32_t split) {
      return LogSum{resultOf(split).rowMax, resultOf(split).sumExp};
    });
    logSums.all[row] = valid ? z : infinity;
    float positive = 0;  // log-sum-exp of the positives (mean inside) or mean of their similarities (mean outside)
    if (meanInside) {
      positive = mergeLogSums(splits, [&](int32_t split) {
        return LogSum{resultOf(split).positive, resultOf(split).positiveSumExp};
      });
      logSums.positive[row] = valid ? positive : infinity;
    } else {
      for (int32_t split = 0; split < splits; ++split) positive += resultOf(split).positive;
      positive /= static_cast<float>(positives[row]);
    }
    if (!valid) continue;
    total += static_cast<double>(z) - positive;
    ++validRows;
  }
  total = blockSum(total);
  validRows = blockSum(validRows);
  if (threadIdx.x != 0) return;
  *loss = static_cast<float>(total) / static_cast<float>(validRows);
  if (validRows == 0) reportOnce(status, report, rows, 0);
}

/// One block computes dy * scale / (rows that have positives).
SPINEGRAD_KERNEL(infoNCE_factor, 512,
                 (InfoNCEProblem problem, const int32_t* positives, const float* dy, float* factor)) {
  int32_t validRows = 0;
  for (int32_t row = threadIdx.x; row < problem.rows; row += blockDim.x) validRows += positives[row] > 0;
  validRows = blockSum(validRows);
  if (threadIdx.x == 0) *factor = *dy * scaleOf(problem) / static_cast<float>(validRows);
}

/// results [splits, rows, dimension]. grid: row tiles, splits of the columns, 128 values of the dimension.
SPINEGRAD_KERNEL(infoNCE_backward_tf32, threads,
                 (InfoNCEProblem problem, const int32_t* positives, InfoNCELogSums logSums, float* results)) {
  backward<TensorCoreProduct>(problem, positives, logSums, results);
}

SPINEGRAD_KERNEL(infoNCE_backward_plain, threads,
                 (InfoNCEProblem problem, const int32_t* positives, InfoNCELogSums logSums, float* results)) {
  backward<PlainProduct>(problem, positives, logSums, results);
}

/// Adds the splits in order. L depends on E only through S, which has degree 2 in E, so dL / d log(1 / temperature) is
/// half of sum(E * dE). Each block writes its contribution to `dots`, unless it is null.
SPINEGRAD_KERNEL(infoNCE_gradient, 256,
                 (const float* __restrict__ results, int32_t splits, const float* __restrict__ embeddings,
                  int64_t count, const float* factor, float* __restrict__ gradient, double* dots)) {
  double dot = 0;
  for (int64_t i = globalThread(); i < count; i += gridThreads()) {
    float sum = 0;
    for (int32_t split = 0; split < splits; ++split) sum += results[split * count + i];
    gradient[i] = *factor * sum;
    dot += static_cast<double>(embeddings[i]) * gradient[i];
  }
  if (dots == nullptr) return;
  dot = blockSum(dot);
  if (threadIdx.x == 0) dots[blockIdx.x] = dot;
}

/// One block adds the contributions.
SPINEGRAD_KERNEL(infoNCE_scaleGradient, 256, (const double* dots, int32_t count, float* gradient)) {
  double sum = 0;
  for (int32_t i = threadIdx.x; i < count; i += blockDim.x) sum += dots[i];
  sum = blockSum(sum);
  if (threadIdx.x == 0) *gradient = static_cast<float>(sum / 2);
}

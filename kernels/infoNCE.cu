// infoNCE: contrastive loss of embeddings E [rows, depth] with integer labels, by tiles of S = E E^T / temperature,
// never rows x rows in memory, neither forward nor backward. The formulas are those of native/cpu/ops/infoNCE.cpp:
// forward keeps an online log-sum-exp Z of each row; backward makes the tile again, M = G + G^T of it with
//   m_ij = exp(s_ij - Z_i) + exp(s_ij - Z_j) - (what the positives take),   dE_i = factor * sum over j of m_ij E_j.
//
// Tiling. A block of four warps owns 64 rows and goes over column tiles of 64; a warp has 16 of the rows and all
// columns, so a row's maximum and sum stay within four lanes. The depth comes in steps of 32 values, 64 x 32 of the
// rows and of the columns, by cp.async into one of two buffers while the other is multiplied: 36 KB of shared memory,
// which every architecture has. Rows are 36 floats apart, which frees both ways of reading them (ldmatrix along the
// depth, single words across) of bank conflicts. Backward multiplies the tile M, as it lies in the registers, with the
// same columns again, 128 values of depth a block (grid z): 64 accumulators a thread beside the 32 of S.
//
// Where rows are few, the columns are split over blocks (grid y) whose results are added in order by a second kernel:
// 512 rows are 8 x 8 blocks. Memory for that is at most that of 16,384 rows, and never grows with the square.
//
// Arithmetic. Tensor cores in TF32 keep 11 bits of a factor, and at temperature 0.07 an error of 2^-11 in a cosine is
// one of 0.7 % in its exponential. So each factor is split in two, big + small, and the three products that count are
// added (all but small * small): 22 bits, nearly float32, for three times the instructions. That is cheap here: S of
// 512 rows x 128 is 0.07 GFLOP, S and its gradient of 8,192 rows 17 + 51, before the factor three, where the encoder
// takes thousands. A step reads 16 KB for 2 * 64 * 64 * 32 * 3 operations, 48 a byte, from the L2 cache.
//
// The plain twin multiplies with ordinary instructions on the same tiles: second oracle, and the kernel of sm_75.
#include "kernels/infoNCE.h"
#include "kernels/lib/reduce.cuh"
#include "kernels/lib/similarity.cuh"
#include "kernels/lib/status.cuh"
#include "kernels/lib/vector.cuh"

using namespace similarity;

namespace {

constexpr int gradientSteps = infoNCEGradient / stepDepth;
constexpr float infinity = INFINITY;

__device__ __forceinline__ float scaleOf(const InfoNCEProblem& problem) {
  return problem.logScale != nullptr ? expf(*problem.logScale) : problem.scale;
}

// ---- forward ----

struct LogSum {
  float most = -infinity, sum = 0;

  /// Adds 16 values, value(group, i); `most` is that of the four lanes that share the row, `sum` the lane's own.
  template <class Value>
  __device__ __forceinline__ void add(Value value) {
    float high = most;
#pragma unroll
    for (int group = 0; group < columnGroups; ++group) {
#pragma unroll
      for (int i = 0; i < 2; ++i) high = value(group, i) > high ? value(group, i) : high;
    }
    high = warpReduce<4>(high, Max());
    const float shift = high == -infinity ? 0.0f : high;
    sum *= expf(most - shift);
#pragma unroll
    for (int group = 0; group < columnGroups; ++group) {
#pragma unroll
      for (int i = 0; i < 2; ++i) sum += expf(value(group, i) - shift);
    }
    most = high;
  }
};

template <class Product>
__device__ __forceinline__ void forward(const InfoNCEProblem& problem, InfoNCEPart* parts) {
  SPINEGRAD_SHARED(Steps::Buffer[2], buffers);
  SPINEGRAD_SHARED(Columns[2], columnsOf);
  Steps steps(problem, {nullptr, nullptr}, buffers, columnsOf, 0, 0);
  const int t = laneId() % 4;
  const int32_t row = steps.firstRow + warpId() * 16 + laneId() / 4;
  const float scale = scaleOf(problem);
  int32_t label[2];
  LogSum all[2], positive[2];
  float similarity[2] = {};
#pragma unroll
  for (int r = 0; r < 2; ++r) label[r] = row + 8 * r < problem.rows ? problem.labels[row + 8 * r] : 0;

#pragma unroll 1
  for (int32_t tile = steps.firstTile; tile < steps.endTile; ++tile) {
    float s[columnGroups][4] = {};
    steps.similarities<Product>(s);
    const Columns& columns = columnsOf[tile % 2];
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      uint32_t same = 0;  // a bit for each of the lane's columns that is a positive
#pragma unroll
      for (int group = 0; group < columnGroups; ++group) {
#pragma unroll
        for (int i = 0; i < 2; ++i) {
          const int place = 8 * group + 2 * t + i;
          const int32_t column = tile * tileSide + place;
          const bool other = column < problem.rows && column != row + 8 * r;
          float& value = s[group][2 * r + i];
          value = other ? value * scale : -infinity;
          if (other && columns.label[place] == label[r]) same |= 1u << (2 * group + i);
        }
      }
      all[r].add([&](int group, int i) { return s[group][2 * r + i]; });
      if (problem.inside) {
        positive[r].add(
            [&](int group, int i) { return same >> (2 * group + i) & 1 ? s[group][2 * r + i] : -infinity; });
      } else {
#pragma unroll
        for (int group = 0; group < columnGroups; ++group) {
#pragma unroll
          for (int i = 0; i < 2; ++i) similarity[r] += same >> (2 * group + i) & 1 ? s[group][2 * r + i] : 0.0f;
        }
      }
    }
  }
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    const Float4 part = {{all[r].most, warpSum<4>(all[r].sum),
                          problem.inside ? positive[r].most : warpSum<4>(similarity[r]), warpSum<4>(positive[r].sum)}};
    if (t == 0 && row + 8 * r < problem.rows) {
      store(&parts[int64_t(blockIdx.y) * problem.rows + row + 8 * r].most, part);
    }
  }
}

/// A row's log-sum-exp from those of the splits; part(split) gives (most, sum).
template <class Part>
__device__ __forceinline__ float logSumOf(int32_t splits, Part part) {
  float high = -infinity, sum = 0;
  for (int32_t split = 0; split < splits; ++split) high = part(split).most > high ? part(split).most : high;
  const float shift = high == -infinity ? 0.0f : high;
  for (int32_t split = 0; split < splits; ++split) sum += part(split).sum * expf(part(split).most - shift);
  return high + logf(sum);
}

// ---- backward ----

template <class Product>
__device__ __forceinline__ void backward(const InfoNCEProblem& problem, const int32_t* positives,
                                         const InfoNCELogSums& logSums, float* parts) {
  SPINEGRAD_SHARED(Steps::Buffer[2], buffers);
  SPINEGRAD_SHARED(Columns[2], columnsOf);
  const int32_t firstDepth = blockIdx.z * infoNCEGradient;
  const int32_t outSteps = min(gradientSteps, ceilDivide(problem.depth - firstDepth, stepDepth));
  Steps steps(problem, logSums, buffers, columnsOf, outSteps, firstDepth);
  const int t = laneId() % 4;
  const int32_t row = steps.firstRow + warpId() * 16 + laneId() / 4;
  const float scale = scaleOf(problem);
  int32_t label[2];
  float z[2], zPositive[2], share[2];
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    const bool exists = row + 8 * r < problem.rows;
    label[r] = exists ? problem.labels[row + 8 * r] : 0;
    z[r] = exists ? logSums.all[row + 8 * r] : infinity;
    zPositive[r] = exists && problem.inside ? logSums.positive[row + 8 * r] : infinity;
    share[r] = exists ? 2 / static_cast<float>(positives[row + 8 * r]) : 0.0f;
  }

  float sums[gradientSteps][stepDepth / 8][4] = {};
#pragma unroll 1
  for (int32_t tile = steps.firstTile; tile < steps.endTile; ++tile) {
    float m[columnGroups][4] = {};
    steps.similarities<Product>(m);
    const Columns& columns = columnsOf[tile % 2];
#pragma unroll
    for (int group = 0; group < columnGroups; ++group) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int r = i / 2, place = 8 * group + 2 * t + i % 2;
        const int32_t column = tile * tileSide + place;
        const float s = m[group][i] * scale;
        float value = expf(s - z[r]) + expf(s - columns.z[place]);
        if (columns.label[place] == label[r]) {
          value -= problem.inside ? expf(s - zPositive[r]) + expf(s - columns.zPositive[place]) : share[r];
        }
        m[group][i] = column < problem.rows && column != row + 8 * r ? value : 0.0f;
      }
    }
#pragma unroll
    for (int step = 0; step < gradientSteps; ++step) {
      if (step < outSteps) Product::weigh(m, steps.next().columns, sums[step]);
    }
  }

#pragma unroll
  for (int step = 0; step < gradientSteps; ++step) {
#pragma unroll
    for (int d = 0; d < stepDepth / 8; ++d) {
#pragma unroll
      for (int r = 0; r < 2; ++r) {
        const int32_t to = row + 8 * r, depth = firstDepth + step * stepDepth + 8 * d + 2 * t;
        if (to >= problem.rows || depth >= problem.depth) continue;
        float* const at = parts + (int64_t(blockIdx.y) * problem.rows + to) * problem.depth + depth;
        if (problem.depth % 2 == 0) {
          store(at, Float2{{sums[step][d][2 * r], sums[step][d][2 * r + 1]}});
        } else {
          at[0] = sums[step][d][2 * r];
          if (depth + 1 < problem.depth) at[1] = sums[step][d][2 * r + 1];
        }
      }
    }
  }
}

}  // namespace

/// How many positives each row has; a warp a row.
SPINEGRAD_KERNEL(infoNCE_positives, 128, (const int32_t* __restrict__ labels, int32_t rows, int32_t* positives)) {
  for (int64_t row = globalThread() / 32; row < rows; row += allThreads() / 32) {
    const int32_t label = labels[row];
    int32_t count = 0;
    for (int32_t other = laneId(); other < rows; other += 32) count += labels[other] == label;
    count = warpSum(count);
    if (laneId() == 0) positives[row] = count - 1;
  }
}

/// grid: row tiles, splits of the columns. parts [splits, rows].
SPINEGRAD_KERNEL(infoNCE_forward_tf32, threads, (InfoNCEProblem problem, InfoNCEPart* parts)) {
  forward<TensorCores>(problem, parts);
}

SPINEGRAD_KERNEL(infoNCE_forward_plain, threads, (InfoNCEProblem problem, InfoNCEPart* parts)) {
  forward<Plain>(problem, parts);
}

/// One block: adds the splits, and the rows that have positives.
SPINEGRAD_KERNEL(infoNCE_loss, 512,
                 (const InfoNCEPart* parts, int32_t splits, const int32_t* positives, int32_t rows, int32_t inside,
                  InfoNCELogSums logSums, int32_t report, Status* status, float* loss)) {
  double total = 0;
  int32_t counted = 0;
  for (int64_t row = threadIdx.x; row < rows; row += blockDim.x) {
    const auto part = [&](int32_t split) {
      const Float4 values = load<Float4>(&parts[int64_t(split) * rows + row].most);
      return InfoNCEPart{values[0], values[1], values[2], values[3]};
    };
    const bool counts = positives[row] > 0;
    const float z = logSumOf(splits, [&](int32_t split) { return LogSum{part(split).most, part(split).sum}; });
    logSums.all[row] = counts ? z : infinity;
    float positive = 0;  // what stands in for the positives
    if (inside) {
      positive = logSumOf(splits, [&](int32_t split) { return LogSum{part(split).positive, part(split).positiveSum}; });
      logSums.positive[row] = counts ? positive : infinity;
    } else {
      for (int32_t split = 0; split < splits; ++split) positive += part(split).positive;
      positive /= static_cast<float>(positives[row]);
    }
    if (!counts) continue;
    total += static_cast<double>(z) - positive;
    ++counted;
  }
  total = blockSum(total);
  counted = blockSum(counted);
  if (threadIdx.x != 0) return;
  *loss = static_cast<float>(total) / static_cast<float>(counted);
  if (counted == 0) reportOnce(status, report, rows, 0);
}

/// One block: dy scale / (rows that have positives).
SPINEGRAD_KERNEL(infoNCE_factor, 512,
                 (InfoNCEProblem problem, const int32_t* positives, const float* dy, float* factor)) {
  int32_t counted = 0;
  for (int32_t row = threadIdx.x; row < problem.rows; row += blockDim.x) counted += positives[row] > 0;
  counted = blockSum(counted);
  if (threadIdx.x == 0) *factor = *dy * scaleOf(problem) / static_cast<float>(counted);
}

/// grid: row tiles, splits of the columns, 128 values of the depth. parts [splits, rows, depth].
SPINEGRAD_KERNEL(infoNCE_backward_tf32, threads,
                 (InfoNCEProblem problem, const int32_t* positives, InfoNCELogSums logSums, float* parts)) {
  backward<TensorCores>(problem, positives, logSums, parts);
}

SPINEGRAD_KERNEL(infoNCE_backward_plain, threads,
                 (InfoNCEProblem problem, const int32_t* positives, InfoNCELogSums logSums, float* parts)) {
  backward<Plain>(problem, positives, logSums, parts);
}

/// Adds the splits in order. L depends on E only through S, of degree 2 in E, so dL / d log(1 / temperature) is half
/// of sum(E * dE), of which each block writes its part to `dots` (or null).
SPINEGRAD_KERNEL(infoNCE_gradient, 256,
                 (const float* __restrict__ parts, int32_t splits, const float* __restrict__ embeddings, int64_t count,
                  const float* factor, float* __restrict__ gradient, double* dots)) {
  double dot = 0;
  for (int64_t i = globalThread(); i < count; i += allThreads()) {
    float sum = 0;
    for (int32_t split = 0; split < splits; ++split) sum += parts[split * count + i];
    gradient[i] = *factor * sum;
    dot += static_cast<double>(embeddings[i]) * gradient[i];
  }
  if (dots == nullptr) return;
  dot = blockSum(dot);
  if (threadIdx.x == 0) dots[blockIdx.x] = dot;
}

/// One block.
SPINEGRAD_KERNEL(infoNCE_scaleGradient, 256, (const double* dots, int32_t count, float* gradient)) {
  double sum = 0;
  for (int32_t i = threadIdx.x; i < count; i += blockDim.x) sum += dots[i];
  sum = blockSum(sum);
  if (threadIdx.x == 0) *gradient = static_cast<float>(sum / 2);
}

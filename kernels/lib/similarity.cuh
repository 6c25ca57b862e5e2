// Tiles of the similarities S = E E^T of embeddings E [rows, dimension], K being the dimension. A block computes 64 x
// 64 similarities in registers (TilePipeline::similarities) and multiplies such a tile by the columns again
// (multiplyByColumns). kernels/infoNCE.cu explains the tiling.
#pragma once

#include "kernels/infoNCE.h"
#include "kernels/lib/async.cuh"
#include "kernels/lib/mma.cuh"

namespace spinegrad::similarity {

constexpr int tileSide = infoNCETile, tileK = infoNCETileK, threads = 128;
constexpr int columnGroups = tileSide / 8;  // groups of the 8 columns of one mma

using SharedTile = float[tileSide][tileK + 4];

// ---- Products ----
// With g = lane / 4 and t = lane % 4, a lane holds four values v[4] of a 16 x 8 tile: rows g, g, g + 8, g + 8 and
// columns 2 t, 2 t + 1, 2 t, 2 t + 1. `rows` points to the 16 rows of the warp.

/// Splits each factor into big + small, both TF32, and adds three of the four products: nearly float32.
struct TensorCoreProduct {
  template <int count>
  struct Factor {
    uint32_t big[count], small[count];

    __device__ __forceinline__ void set(int i, float x) {
      big[i] = toTf32(x);
      small[i] = toTf32(x - __uint_as_float(big[i]));
    }
  };

  static __device__ __forceinline__ void multiply(float (&v)[4], const Factor<4>& a, const Factor<2>& b) {
    mmaTf32(v, a.small, b.big);
    mmaTf32(v, a.big, b.small);
    mmaTf32(v, a.big, b.big);
  }

  /// s += rows * columns^T over K values, rounded up to 8.
  static __device__ __forceinline__ void similarities(const float (*rows)[tileK + 4], const SharedTile& columns, int K,
                                                      float (&s)[columnGroups][4]) {
    const int lane = laneId();
#pragma unroll 1
    for (int k = 0; k < K; k += 8) {
      uint32_t bits[4];
      Factor<4> a;
      ldmatrix(bits, &rows[lane % 16][k + lane / 16 * 4]);
#pragma unroll
      for (int i = 0; i < 4; ++i) a.set(i, __uint_as_float(bits[i]));
#pragma unroll
      for (int group = 0; group < columnGroups; group += 2) {
        ldmatrix(bits, &columns[8 * group + lane % 8 + lane / 16 * 8][k + lane / 8 % 2 * 4]);
#pragma unroll
        for (int half = 0; half < 2; ++half) {
          Factor<2> b;
          b.set(0, __uint_as_float(bits[2 * half]));
          b.set(1, __uint_as_float(bits[2 * half + 1]));
          multiply(s[group + half], a, b);
        }
      }
    }
  }

  /// sums += m * columns. The order of the 8 columns of a group does not matter, so the lane's columns 2 t and 2 t + 1
  /// take the places of columns t and t + 4 of the mma, and m needs no shuffle.
  static __device__ __forceinline__ void multiplyByColumns(const float (&m)[columnGroups][4], const SharedTile& columns,
                                                           float (&sums)[tileK / 8][4]) {
    const int g = laneId() / 4, t = laneId() % 4;
#pragma unroll
    for (int group = 0; group < columnGroups; ++group) {
      Factor<4> a;
      a.set(0, m[group][0]);
      a.set(1, m[group][2]);
      a.set(2, m[group][1]);
      a.set(3, m[group][3]);
      const int column = 8 * group + 2 * t;
#pragma unroll
      for (int d = 0; d < tileK / 8; ++d) {
        Factor<2> b;
        b.set(0, columns[column][8 * d + g]);
        b.set(1, columns[column + 1][8 * d + g]);
        multiply(sums[d], a, b);
      }
    }
  }
};

struct PlainProduct {
  static __device__ __forceinline__ void similarities(const float (*rows)[tileK + 4], const SharedTile& columns, int K,
                                                      float (&s)[columnGroups][4]) {
    const int g = laneId() / 4, t = laneId() % 4;
#pragma unroll 1
    for (int k = 0; k < K; ++k) {
      const float upper = rows[g][k], lower = rows[g + 8][k];
#pragma unroll
      for (int group = 0; group < columnGroups; ++group) {
#pragma unroll
        for (int i = 0; i < 2; ++i) {
          const float column = columns[8 * group + 2 * t + i][k];
          s[group][i] += upper * column;
          s[group][2 + i] += lower * column;
        }
      }
    }
  }

  static __device__ __forceinline__ void multiplyByColumns(const float (&m)[columnGroups][4], const SharedTile& columns,
                                                           float (&sums)[tileK / 8][4]) {
    const int t = laneId() % 4;
#pragma unroll
    for (int group = 0; group < columnGroups; ++group) {
#pragma unroll
      for (int column = 0; column < 8; ++column) {
        const float upper = __shfl_sync(0xffffffffu, m[group][column % 2], column / 2, 4);
        const float lower = __shfl_sync(0xffffffffu, m[group][2 + column % 2], column / 2, 4);
#pragma unroll
        for (int d = 0; d < tileK / 8; ++d) {
#pragma unroll
          for (int i = 0; i < 2; ++i) {
            const float value = columns[8 * group + column][8 * d + 2 * t + i];
            sums[d][i] += upper * value;
            sums[d][2 + i] += lower * value;
          }
        }
      }
    }
  }
};

// ---- Pipeline ----

/// Labels and log-sum-exps of the columns of a tile.
struct ColumnData {
  int32_t label[tileSide];
  float z[tileSide], zPositive[tileSide];
};

/// Copies tiles to shared memory step by step. Per column tile: rows and columns over all of K, then `gradientSteps`
/// steps of the columns alone, from dimension `gradientFrom`. There are two buffers and one barrier per step: when all
/// threads have reached step n, its tiles are complete and the buffer of step n - 1 is free for step n + 1.
struct TilePipeline {
  struct Buffer {
    SharedTile rows, columns;
  };

  const InfoNCEProblem& problem;
  const InfoNCELogSums logSums;
  Buffer* const buffers;
  ColumnData* const columnData;
  const int32_t kSteps, gradientSteps, gradientFrom;
  const int32_t firstRow, firstTile, endTile;
  /// The next copy: its column tile, the step within the tile, and the number of copies issued so far.
  int32_t tile, step = 0, sent = 0;

  __device__ __forceinline__ TilePipeline(const InfoNCEProblem& problem, const InfoNCELogSums& logSums, Buffer* buffers,
                                          ColumnData* columnData, int32_t gradientSteps, int32_t gradientFrom)
      : problem(problem),
        logSums(logSums),
        buffers(buffers),
        columnData(columnData),
        kSteps(ceilDivide(problem.dimension, tileK)),
        gradientSteps(gradientSteps),
        gradientFrom(gradientFrom),
        firstRow(blockIdx.x * tileSide),
        firstTile(blockIdx.y * problem.tilesPerSplit),
        endTile(min(int32_t(firstTile + problem.tilesPerSplit), ceilDivide(problem.rows, tileSide))),
        tile(firstTile) {
    send();
  }

  /// Adds the warp's 16 rows of the next tile to `s`.
  template <class Product>
  __device__ __forceinline__ void similarities(float (&s)[columnGroups][4]) {
#pragma unroll 1
    for (int32_t step = 0; step < kSteps; ++step) {
      const Buffer& at = next();
      Product::similarities(at.rows + warpId() * 16, at.columns, min(tileK, problem.dimension - step * tileK), s);
    }
  }

  /// Waits for the next step, issues the copies of the one after it, and returns the tiles.
  __device__ __forceinline__ const Buffer& next() {
    waitGroup<0>();
    __syncthreads();
    const Buffer& landed = buffers[(sent - 1) % 2];
    send();
    return landed;
  }

 private:
  __device__ __forceinline__ void send() {
    if (tile < endTile) {
      Buffer& to = buffers[sent % 2];
      const bool hasRows = step < kSteps;
      const int32_t k = hasRows ? step * tileK : gradientFrom + (step - kSteps) * tileK;
      if (hasRows) copy(to.rows, firstRow, k);
      copy(to.columns, tile * tileSide, k);
      if (step == 0) copyColumnData();
      if (++step == kSteps + gradientSteps) {
        step = 0;
        ++tile;
      }
    }
    commitGroup();
    ++sent;
  }

  /// Copies 64 x 32 values from (row, k), zeros beyond the embeddings: vectors of 16 bytes if a row is a multiple of
  /// that, else single values.
  __device__ __forceinline__ void copy(SharedTile& to, int32_t row, int32_t k) const {
    const int32_t rows = problem.rows - row, left = problem.dimension - k;
    const float* from = problem.embeddings + int64_t(row) * problem.dimension + k;
    if (problem.dimension % 4 == 0) {
#pragma unroll
      for (int i = threadIdx.x; i < tileSide * tileK / 4; i += threads) {
        const int r = i / (tileK / 4), d = i % (tileK / 4) * 4;
        const bool inside = r < rows && d < left;
        copyAsync16(&to[r][d], inside ? from + int64_t(r) * problem.dimension + d : problem.embeddings, inside);
      }
    } else {
#pragma unroll 1
      for (int i = threadIdx.x; i < tileSide * tileK; i += threads) {
        const int r = i / tileK, d = i % tileK;
        const bool inside = r < rows && d < left;
        copyAsync4(&to[r][d], inside ? from + int64_t(r) * problem.dimension + d : problem.embeddings, inside);
      }
    }
  }

  __device__ __forceinline__ void copyColumnData() const {
    const int i = threadIdx.x, column = tile * tileSide + i;
    if (i >= tileSide) return;
    const bool inside = column < problem.rows;
    ColumnData& to = columnData[tile % 2];
    copyAsync4(&to.label[i], problem.labels + (inside ? column : 0), inside);
    if (logSums.all != nullptr) copyAsync4(&to.z[i], logSums.all + (inside ? column : 0), inside);
    if (logSums.positive != nullptr) copyAsync4(&to.zPositive[i], logSums.positive + (inside ? column : 0), inside);
  }
};

}  // namespace spinegrad::similarity

// Tiles of the similarities S = E E^T of embeddings E [rows, depth]: how a block gets 64 x 64 of them into its
// registers (Steps::similarities), and multiplies a tile as it lies there with the columns again (weigh).
// kernels/infoNCE.cu says why the tiles are as they are, and what is made of them.
#pragma once

#include "kernels/infoNCE.h"
#include "kernels/lib/async.cuh"
#include "kernels/lib/mma.cuh"

namespace spinegrad::similarity {

constexpr int tileSide = infoNCETile, stepDepth = infoNCEStep, threads = 128;
constexpr int columnGroups = tileSide / 8;  // of the 8 columns of one product

using Tile = float[tileSide][stepDepth + 4];

// ---- products. A lane with g = lane / 4, t = lane % 4 holds of a 16 x 8 tile v[4]: rows g, g, g + 8, g + 8 and
// columns 2 t, 2 t + 1, 2 t, 2 t + 1. `rows` points at the warp's 16 rows. ----

struct TensorCores {
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

  /// s += rows * columns^T over `depth` values, rounded up to 8.
  static __device__ __forceinline__ void similarities(const float (*rows)[stepDepth + 4], const Tile& columns,
                                                      int depth, float (&s)[columnGroups][4]) {
    const int lane = laneId();
#pragma unroll 1
    for (int k = 0; k < depth; k += 8) {
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

  /// sums += m * columns. The sum over a group's 8 columns may take them in any order, so the lane's columns 2 t and
  /// 2 t + 1 stand in for t and t + 4 of the product, and m is a factor as it lies.
  static __device__ __forceinline__ void weigh(const float (&m)[columnGroups][4], const Tile& columns,
                                               float (&sums)[stepDepth / 8][4]) {
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
      for (int d = 0; d < stepDepth / 8; ++d) {
        Factor<2> b;
        b.set(0, columns[column][8 * d + g]);
        b.set(1, columns[column + 1][8 * d + g]);
        multiply(sums[d], a, b);
      }
    }
  }
};

struct Plain {
  static __device__ __forceinline__ void similarities(const float (*rows)[stepDepth + 4], const Tile& columns,
                                                      int depth, float (&s)[columnGroups][4]) {
    const int g = laneId() / 4, t = laneId() % 4;
#pragma unroll 1
    for (int k = 0; k < depth; ++k) {
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

  static __device__ __forceinline__ void weigh(const float (&m)[columnGroups][4], const Tile& columns,
                                               float (&sums)[stepDepth / 8][4]) {
    const int t = laneId() % 4;
#pragma unroll
    for (int group = 0; group < columnGroups; ++group) {
#pragma unroll
      for (int column = 0; column < 8; ++column) {
        const float upper = __shfl_sync(0xffffffffu, m[group][column % 2], column / 2, 4);
        const float lower = __shfl_sync(0xffffffffu, m[group][2 + column % 2], column / 2, 4);
#pragma unroll
        for (int d = 0; d < stepDepth / 8; ++d) {
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

// ---- the way through memory ----

/// What a tile needs to know of its columns.
struct Columns {
  int32_t label[tileSide];
  float z[tileSide], zPositive[tileSide];
};

/// Brings the tiles step by step: for each column tile, the whole depth of rows and columns, and then `again` steps of
/// the columns alone from depth `againFrom` on. Two buffers, and one barrier a step: when all have come to step n, its
/// tiles have landed and nobody reads those of step n - 1 any more, where step n + 1 is then sent.
struct Steps {
  struct Buffer {
    Tile rows, columns;
  };

  const InfoNCEProblem& problem;
  const InfoNCELogSums logSums;
  Buffer* const buffers;
  Columns* const columnsOf;
  const int32_t depthSteps, again, againFrom;
  const int32_t firstRow, firstTile, endTile;
  /// To be sent next: its column tile and the step within.
  int32_t tile, step = 0, sent = 0;

  __device__ __forceinline__ Steps(const InfoNCEProblem& problem, const InfoNCELogSums& logSums, Buffer* buffers,
                                   Columns* columnsOf, int32_t again, int32_t againFrom)
      : problem(problem),
        logSums(logSums),
        buffers(buffers),
        columnsOf(columnsOf),
        depthSteps(ceilDivide(problem.depth, stepDepth)),
        again(again),
        againFrom(againFrom),
        firstRow(blockIdx.x * tileSide),
        firstTile(blockIdx.y * problem.tilesOfSplit),
        endTile(min(int32_t(firstTile + problem.tilesOfSplit), ceilDivide(problem.rows, tileSide))),
        tile(firstTile) {
    send();
  }

  /// Adds the warp's 16 rows of the next tile to `s`.
  template <class Product>
  __device__ __forceinline__ void similarities(float (&s)[columnGroups][4]) {
#pragma unroll 1
    for (int32_t step = 0; step < depthSteps; ++step) {
      const Buffer& at = next();
      Product::similarities(at.rows + warpId() * 16, at.columns, min(stepDepth, problem.depth - step * stepDepth), s);
    }
  }

  /// Waits for the next step, sends the one behind it, and returns the tiles.
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
      const bool whole = step < depthSteps;
      const int32_t depth = whole ? step * stepDepth : againFrom + (step - depthSteps) * stepDepth;
      if (whole) copy(to.rows, firstRow, depth);
      copy(to.columns, tile * tileSide, depth);
      if (step == 0) describe();
      if (++step == depthSteps + again) {
        step = 0;
        ++tile;
      }
    }
    commitGroup();
    ++sent;
  }

  /// 64 x 32 values from (row, depth) on, zeros beyond the embeddings. Rows that are no multiple of 16 bytes are copied
  /// by single values.
  __device__ __forceinline__ void copy(Tile& to, int32_t row, int32_t depth) const {
    const int32_t rows = problem.rows - row, left = problem.depth - depth;
    const float* from = problem.embeddings + int64_t(row) * problem.depth + depth;
    if (problem.depth % 4 == 0) {
#pragma unroll
      for (int i = threadIdx.x; i < tileSide * stepDepth / 4; i += threads) {
        const int r = i / (stepDepth / 4), d = i % (stepDepth / 4) * 4;
        const bool inside = r < rows && d < left;
        copyAsync16(&to[r][d], inside ? from + int64_t(r) * problem.depth + d : problem.embeddings, inside);
      }
    } else {
#pragma unroll 1
      for (int i = threadIdx.x; i < tileSide * stepDepth; i += threads) {
        const int r = i / stepDepth, d = i % stepDepth;
        const bool inside = r < rows && d < left;
        copyAsync4(&to[r][d], inside ? from + int64_t(r) * problem.depth + d : problem.embeddings, inside);
      }
    }
  }

  __device__ __forceinline__ void describe() const {
    const int i = threadIdx.x, column = tile * tileSide + i;
    if (i >= tileSide) return;
    const bool inside = column < problem.rows;
    Columns& to = columnsOf[tile % 2];
    copyAsync4(&to.label[i], problem.labels + (inside ? column : 0), inside);
    if (logSums.all != nullptr) copyAsync4(&to.z[i], logSums.all + (inside ? column : 0), inside);
    if (logSums.positive != nullptr) copyAsync4(&to.zPositive[i], logSums.positive + (inside ? column : 0), inside);
  }
};

}  // namespace spinegrad::similarity

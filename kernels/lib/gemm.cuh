// GEMM on tensor cores: a block computes one tile of C [M, N] = A [M, K] B [K, N]. A and B are read through tile
// iterators and C is written through an output functor (lib/convolution.cuh), so a convolution needs no matrix in
// memory.
//
// The main loop is a cp.async pipeline of four stages. A step multiplies tiles of M x 16 and 16 x N while the copies of
// the next three steps are in flight; one barrier per step publishes a stage and frees the oldest. On sm_90 it is bound
// by instruction issue: with tiles of 128 x 64 in TF32 a warp issues 303 instructions per step of fprop and 343 per
// step of wgrad (CUDA 13.0). 32 of them are mma. The four warps of a block run on four schedulers, so a step takes at
// least 303 cycles, while the tensor cores need 128 and shared memory 192.
#pragma once

#include "kernels/gemm.h"
#include "kernels/lib/async.cuh"
#include "kernels/lib/mma.cuh"
#include "kernels/lib/vector.cuh"

namespace spinegrad {

/// The tile of a block and the tile of each of its warps.
template <int blockM, int blockN, int ofWarpM, int ofWarpN>
struct GemmShape {
  static constexpr int M = blockM, N = blockN, warpM = ofWarpM, warpN = ofWarpN;
  static constexpr int threads = M / warpM * (N / warpN) * 32;
};

// Values are float32 in memory and are rounded when a fragment is built, to TF32 (10 mantissa bits) or bf16 (7).
// Accumulators are float32. A bf16 fragment covers 16 values of K and is packed from two fragments of 8; the order of
// values along K does not matter as long as A and B agree.

struct Tf32 {
  static constexpr int fragmentsPerMma = 1;  // fragments of 8 values of K
  using A = uint32_t[4];
  using B = uint32_t[2];

  static __device__ __forceinline__ void packA(A& to, const uint32_t (&from)[fragmentsPerMma][4]) {
#pragma unroll
    for (int i = 0; i < 4; ++i) to[i] = toTf32(__uint_as_float(from[0][i]));
  }
  static __device__ __forceinline__ void packB(B& to, const uint32_t (&from)[fragmentsPerMma][2]) {
#pragma unroll
    for (int i = 0; i < 2; ++i) to[i] = toTf32(__uint_as_float(from[0][i]));
  }
  template <int N>
  static __device__ __forceinline__ void multiply(float (&d)[N][4], const A& a, const B (&b)[N]) {
    mmaTf32(d, a, b);
  }
};

struct Bf16 {
  static constexpr int fragmentsPerMma = 2;
  using A = uint32_t[4];
  using B = uint32_t[2];

  static __device__ __forceinline__ void packA(A& to, const uint32_t (&from)[fragmentsPerMma][4]) {
#pragma unroll
    for (int i = 0; i < 4; ++i)
      to[i] = packBf16(__uint_as_float(from[i / 2][i % 2]), __uint_as_float(from[i / 2][i % 2 + 2]));
  }
  static __device__ __forceinline__ void packB(B& to, const uint32_t (&from)[fragmentsPerMma][2]) {
#pragma unroll
    for (int i = 0; i < 2; ++i) to[i] = packBf16(__uint_as_float(from[i][0]), __uint_as_float(from[i][1]));
  }
  template <int N>
  static __device__ __forceinline__ void multiply(float (&d)[N][4], const A& a, const B (&b)[N]) {
    mmaBf16(d, a, b);
  }
};

// cp.async moves 16-byte vectors and cannot transpose, so a tile keeps the order of global memory. An XOR swizzle keeps
// both orders free of bank conflicts.

/// The offset, in floats, of a vector in a K-major tile. A tile row is a row of A (column of B) and holds 16 values of
/// K, four vectors. ldmatrix reads one vector of 8 rows: two rows fill the 32 banks, and the XOR separates the four
/// pairs.
__device__ __forceinline__ int swizzleKMajor(int row, int vector) {
  return row * gemmTileK + (vector ^ (row >> 1 & 3)) * 4;
}

/// The same in an MN-major tile. A tile row is one value of K and holds `width` neighboring rows of A (columns of B).
/// A fragment takes 8 neighbors from each of 4 tile rows with 4-byte loads; the XOR puts the 4 rows into different
/// banks.
template <int width>
__device__ __forceinline__ int swizzleMNMajor(int k, int vector) {
  return k * width + (vector ^ (k & 3) << 1) * 4;
}

/// The word of an MN-major tile that lane (g, t) holds of a fragment, at k = 8 fragment + 4 half + t and column
/// first + offset + g. `first` is a multiple of 32 and `offset` a constant multiple of 8, so all words of a tile share
/// four addresses, one for each XOR of offset / 8 and t.
template <int width>
__device__ __forceinline__ uint32_t loadMNMajor(const float* tile, int fragment, int half, int first, int offset) {
  const int g = laneId() / 4, t = laneId() % 4;
  const int position = t * width + first + g + (offset / 8 % 4 ^ t) * 8;
  return __float_as_uint(tile[position + (8 * fragment + 4 * half) * width + offset / 32 * 32]);
}

/// The fragment of A for the 16 rows from first + offset and the 8 values of K from 8 * fragment.
template <bool kMajor, int width>
__device__ __forceinline__ void loadFragmentA(uint32_t (&a)[4], const float* tile, int first, int offset,
                                              int fragment) {
  if constexpr (kMajor) {
    ldmatrix(a, tile + swizzleKMajor(first + offset + laneId() % 16, 2 * fragment + laneId() / 16));
  } else {
#pragma unroll
    for (int i = 0; i < 4; ++i) a[i] = loadMNMajor<width>(tile, fragment, i / 2, first, offset + 8 * (i % 2));
  }
}

/// Two fragments of B: the 8 columns from first + offset, and the 8 after them.
template <bool kMajor, int width>
__device__ __forceinline__ void loadFragmentsB(uint32_t (&left)[2], uint32_t (&right)[2], const float* tile, int first,
                                               int offset, int fragment) {
  if constexpr (kMajor) {
    uint32_t both[4];
    const int column = first + offset + laneId() % 8 + laneId() / 16 * 8;
    ldmatrix(both, tile + swizzleKMajor(column, 2 * fragment + laneId() / 8 % 2));
    left[0] = both[0], left[1] = both[1], right[0] = both[2], right[1] = both[3];
  } else {
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      left[i] = loadMNMajor<width>(tile, fragment, i, first, offset);
      right[i] = loadMNMajor<width>(tile, fragment, i, first, offset + 8);
    }
  }
}

/// Computes one tile: main loop, then epilogue, in the block's dynamic shared memory.
///
/// `a.fetch(tile)` and `b.fetch(tile)` issue the copies of one K step and advance to the next. `output.accumulateStats`
/// sees the accumulators of a warp. `output.row(i)` is the offset in the result of the tile's row i and first column,
/// or negative if the row does not exist; `output.columns`, a multiple of 4, counts the columns that exist.
/// `output.bias(i)` is added to the four columns from i, and `output.store` applies the rest of the epilogue and
/// writes.
template <class Shape, class Precision, class A, class B, class Output>
__device__ __forceinline__ void gemm(A a, B b, int steps, const Output& output) {
  constexpr int tileA = Shape::M * gemmTileK, stage = (Shape::M + Shape::N) * gemmTileK;
  constexpr int mmasM = Shape::warpM / 16, mmasN = Shape::warpN / 8;
  constexpr int warpsAcross = Shape::N / Shape::warpN;
  SPINEGRAD_DYNAMIC_SHARED(memory);
  float* const stages = reinterpret_cast<float*>(memory);
  const int warpRow = warpId() / warpsAcross * Shape::warpM, warpColumn = warpId() % warpsAcross * Shape::warpN;

  float accumulators[mmasM][mmasN][4] = {};
  const auto fetch = [&](int step) {
    if (step < steps) {
      float* const tile = stages + step % gemmStages * stage;
      a.fetch(tile);
      b.fetch(tile + tileA);
    }
    commitGroup();  // also after the last step: waitGroup() counts groups
  };

  for (int step = 0; step < gemmStages - 1; ++step) fetch(step);
  for (int step = 0; step < steps; ++step) {
    waitGroup<gemmStages - 2>();
    __syncthreads();
    fetch(step + gemmStages - 1);  // into the stage of step - 1, which no thread reads any more
    const float* const tile = stages + step % gemmStages * stage;
#pragma unroll
    for (int fragment = 0; fragment < gemmTileK / 8; fragment += Precision::fragmentsPerMma) {
      typename Precision::B fragmentsB[mmasN];
#pragma unroll
      for (int i = 0; i < mmasN; i += 2) {
        uint32_t words[2][Precision::fragmentsPerMma][2];
#pragma unroll
        for (int j = 0; j < Precision::fragmentsPerMma; ++j)
          loadFragmentsB<B::kMajor, Shape::N>(words[0][j], words[1][j], tile + tileA, warpColumn, 8 * i, fragment + j);
        Precision::packB(fragmentsB[i], words[0]);
        Precision::packB(fragmentsB[i + 1], words[1]);
      }
#pragma unroll
      for (int i = 0; i < mmasM; ++i) {
        uint32_t words[Precision::fragmentsPerMma][4];
#pragma unroll
        for (int j = 0; j < Precision::fragmentsPerMma; ++j)
          loadFragmentA<A::kMajor, Shape::M>(words[j], tile, warpRow, 16 * i, fragment + j);
        typename Precision::A fragmentA;
        Precision::packA(fragmentA, words);
        Precision::multiply(accumulators[i], fragmentA, fragmentsB);
      }
    }
  }
  waitGroup<0>();
  __syncthreads();
  output.accumulateStats(accumulators, warpRow, warpColumn);

  // A lane holds 8 bytes of a row. 16 rows at a time pass through the warp's part of shared memory, so that rows leave
  // as whole lines. The pitch of 8 extra floats keeps four rows in different banks.
  constexpr int pitch = Shape::warpN + 8, vectors = Shape::warpN / 4, rowsPerPass = 32 / vectors;
  float* const rows = stages + warpId() * 16 * pitch;
  const int column = warpColumn + laneId() % vectors * 4;
  const bool inside = column < output.columns;
  const Float4 bias = inside ? output.bias(column) : Float4{};
#pragma unroll
  for (int i = 0; i < mmasM; ++i) {
#pragma unroll
    for (int j = 0; j < mmasN; ++j) {
      float* const to = rows + accumulatorRow(0) * pitch + 8 * j + accumulatorColumn(0);
      store(to, Float2{{accumulators[i][j][0], accumulators[i][j][1]}});
      store(to + 8 * pitch, Float2{{accumulators[i][j][2], accumulators[i][j][3]}});
    }
    __syncwarp();
#pragma unroll 1  // unrolled, the addresses would take the registers of the accumulators
    for (int row = laneId() / vectors; row < 16; row += rowsPerPass) {
      const int64_t start = output.row(warpRow + 16 * i + row);
      if (start < 0 || !inside) continue;
      Float4 values = load<Float4>(rows + row * pitch + laneId() % vectors * 4);
#pragma unroll
      for (int k = 0; k < 4; ++k) values[k] += bias[k];
      output.store(start + column, values);
    }
    __syncwarp();
  }
}

}  // namespace spinegrad

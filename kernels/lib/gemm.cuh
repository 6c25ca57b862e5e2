// The product of two matrices on tensor cores: a block computes a tile of C [M, N] = A [M, depth] B [depth, N]. Where A
// and B come from is the affair of two sources (lib/convolution.cuh has those of conv2d), where C goes of an output.
//
// The depth is walked in steps of 16. The tiles of a step (16 deep, so M x 16 and 16 x N floats) come by cp.async into
// one of four stages of shared memory, three steps ahead of their use, which hides about three times the time of a
// step; one barrier a step says that a tile is there and that the oldest stage is free again.
//
// A tile lies in shared memory as it lies in global memory, in chunks of 16 bytes, since only so can cp.async move it.
// There are two ways, and for both an XOR spreads what a warp reads at once over all 32 banks:
//
//   rows       a row of the tile is a row of A (a column of B), 16 values of the depth: 4 chunks, chunk c of row r at
//              c ^ (r / 2 & 3). ldmatrix reads 8 rows of one chunk: two rows fill the banks, so the XOR tells the
//              four pairs apart.
//   columns    a row of the tile is one value of the depth, and holds neighbouring rows of A (columns of B): chunk c of
//              row k at c ^ 2 (k & 3). A fragment wants 8 neighbours of 4 such rows: ordinary loads of 4 bytes, 8
//              chunks apart by the XOR. It costs shared memory no more than ldmatrix does, a word a lane and cycle.
//
// A warp multiplies a tile of 64 x 32 from registers: for 8 of the depth it reads (64 + 32) 8 floats and does 64 32 8
// products. Four such warps read 12 kB, 96 passes of 128 bytes, in the 128 cycles that an A100's multiprocessor takes
// for their 65,536 products in TF32 (512 a cycle); an H100 has 1024 a cycle, so there shared memory sets the pace, at
// two thirds of the peak. Warps of 32 x 32 read 64 passes for 64 cycles of products.
//
// Precision is that of the fragments: values are float32 in memory and are rounded on the way into the tensor core, to
// TF32 (10 bits of mantissa) or bf16 (7), sums are float32. A bf16 product is 16 deep and packs two values a register;
// as the order along the depth is free, so long as A and B agree, two fragments of 8 read as for TF32 make one of 16.
// It takes half the time in the tensor cores and reads as much as before, so the gain is the third that was left to
// them.
#pragma once

#include "kernels/gemm.h"
#include "kernels/lib/async.cuh"
#include "kernels/lib/mma.cuh"
#include "kernels/lib/vector.cuh"

namespace spinegrad {

/// A block's tile and its warps' tiles, in rows of A and columns of B.
template <int blockRows, int blockColumns, int ofWarpRows, int ofWarpColumns>
struct GemmTile {
  static constexpr int rows = blockRows, columns = blockColumns;
  static constexpr int warpRows = ofWarpRows, warpColumns = ofWarpColumns;
  static constexpr int threads = rows / warpRows * (columns / warpColumns) * 32;
};

struct Tf32 {
  static constexpr int slices = 1;  // fragments of 8 that one product takes
  using A = uint32_t[4];
  using B = uint32_t[2];

  static __device__ __forceinline__ void packA(A& to, const uint32_t (&from)[slices][4]) {
#pragma unroll
    for (int i = 0; i < 4; ++i) to[i] = toTf32(__uint_as_float(from[0][i]));
  }
  static __device__ __forceinline__ void packB(B& to, const uint32_t (&from)[slices][2]) {
#pragma unroll
    for (int i = 0; i < 2; ++i) to[i] = toTf32(__uint_as_float(from[0][i]));
  }
  template <int N>
  static __device__ __forceinline__ void multiply(float (&d)[N][4], const A& a, const B (&b)[N]) {
    mmaTf32(d, a, b);
  }
};

struct Bf16 {
  static constexpr int slices = 2;
  using A = uint32_t[4];
  using B = uint32_t[2];

  static __device__ __forceinline__ void packA(A& to, const uint32_t (&from)[slices][4]) {
#pragma unroll
    for (int i = 0; i < 4; ++i)
      to[i] = packBf16(__uint_as_float(from[i / 2][i % 2]), __uint_as_float(from[i / 2][i % 2 + 2]));
  }
  static __device__ __forceinline__ void packB(B& to, const uint32_t (&from)[slices][2]) {
#pragma unroll
    for (int i = 0; i < 2; ++i) to[i] = packBf16(__uint_as_float(from[i][0]), __uint_as_float(from[i][1]));
  }
  template <int N>
  static __device__ __forceinline__ void multiply(float (&d)[N][4], const A& a, const B (&b)[N]) {
    mmaBf16(d, a, b);
  }
};

/// The float at which a chunk lies in a tile stored by rows.
__device__ __forceinline__ int placeInRows(int row, int chunk) {
  return row * gemmDepth + (chunk ^ (row >> 1 & 3)) * 4;
}

/// And by columns, `width` floats a row.
template <int width>
__device__ __forceinline__ int placeInColumns(int k, int chunk) {
  return k * width + (chunk ^ (k & 3) << 1) * 4;
}

/// The word of lane (g, t) at depth k = 8 slice + 4 half + t, column first + offset + g: `first` is a multiple of 32
/// and `offset` a constant multiple of 8, so that all words of a tile share four addresses, by the XOR of offset / 8
/// and t.
template <int width>
__device__ __forceinline__ uint32_t wordInColumns(const float* tile, int slice, int half, int first, int offset) {
  const int g = laneId() / 4, t = laneId() % 4;
  const int place = t * width + first + g + (offset / 8 % 4 ^ t) * 8;
  return __float_as_uint(tile[place + (8 * slice + 4 * half) * width + offset / 32 * 32]);
}

/// The fragment of A for the 16 rows from first + offset, 8 of the depth from 8 slice.
template <bool byRows, int width>
__device__ __forceinline__ void readA(uint32_t (&a)[4], const float* tile, int first, int offset, int slice) {
  if constexpr (byRows) {
    ldmatrix(a, tile + placeInRows(first + offset + laneId() % 16, 2 * slice + laneId() / 16));
  } else {
#pragma unroll
    for (int i = 0; i < 4; ++i) a[i] = wordInColumns<width>(tile, slice, i / 2, first, offset + 8 * (i % 2));
  }
}

/// The fragments of B for two times 8 columns from first + offset.
template <bool byRows, int width>
__device__ __forceinline__ void readB(uint32_t (&left)[2], uint32_t (&right)[2], const float* tile, int first,
                                      int offset, int slice) {
  if constexpr (byRows) {
    uint32_t both[4];
    const int column = first + offset + laneId() % 8 + laneId() / 16 * 8;
    ldmatrix(both, tile + placeInRows(column, 2 * slice + laneId() / 8 % 2));
    left[0] = both[0], left[1] = both[1], right[0] = both[2], right[1] = both[3];
  } else {
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      left[i] = wordInColumns<width>(tile, slice, i, first, offset);
      right[i] = wordInColumns<width>(tile, slice, i, first, offset + 8);
    }
  }
}

/// Adds up the block's tile and writes it; the stages are its dynamic shared memory. `a.fetch(tile)` and
/// `b.fetch(tile)` issue the copies of one step and move on to the next. `output.row(i)` is where row i of the tile
/// begins in the result, at the tile's first column, or negative; `output.columns` of the tile exist, a multiple of 4.
/// `output.observe` sees a warp's sums, `output.bias(i)` is added to the four columns from i, `output.store` takes the
/// rest of the way.
template <class Tile, class Precision, class A, class B, class Output>
__device__ __forceinline__ void multiplyTile(A a, B b, int steps, const Output& output) {
  constexpr int tileA = Tile::rows * gemmDepth, stage = (Tile::rows + Tile::columns) * gemmDepth;
  constexpr int rowBlocks = Tile::warpRows / 16, columnBlocks = Tile::warpColumns / 8;
  constexpr int warpsAcross = Tile::columns / Tile::warpColumns;
  SPINEGRAD_DYNAMIC_SHARED(memory);
  float* const stages = reinterpret_cast<float*>(memory);
  const int warpRow = warpId() / warpsAcross * Tile::warpRows, warpColumn = warpId() % warpsAcross * Tile::warpColumns;

  float sums[rowBlocks][columnBlocks][4] = {};
  const auto fetch = [&](int step) {
    if (step < steps) {
      float* const tile = stages + step % gemmStages * stage;
      a.fetch(tile);
      b.fetch(tile + tileA);
    }
    commitGroup();  // an empty one behind the end, so that the newest but two is always the one that is needed
  };

  for (int step = 0; step < gemmStages - 1; ++step) fetch(step);
  for (int step = 0; step < steps; ++step) {
    waitGroup<gemmStages - 2>();
    __syncthreads();
    fetch(step + gemmStages - 1);  // into the stage that everyone has left behind
    const float* const tile = stages + step % gemmStages * stage;
#pragma unroll
    for (int slice = 0; slice < gemmDepth / 8; slice += Precision::slices) {
      typename Precision::B right[columnBlocks];
#pragma unroll
      for (int i = 0; i < columnBlocks; i += 2) {
        uint32_t words[2][Precision::slices][2];
#pragma unroll
        for (int j = 0; j < Precision::slices; ++j)
          readB<B::byRows, Tile::columns>(words[0][j], words[1][j], tile + tileA, warpColumn, 8 * i, slice + j);
        Precision::packB(right[i], words[0]);
        Precision::packB(right[i + 1], words[1]);
      }
#pragma unroll
      for (int i = 0; i < rowBlocks; ++i) {
        uint32_t words[Precision::slices][4];
#pragma unroll
        for (int j = 0; j < Precision::slices; ++j)
          readA<A::byRows, Tile::rows>(words[j], tile, warpRow, 16 * i, slice + j);
        typename Precision::A left;
        Precision::packA(left, words);
        Precision::multiply(sums[i], left, right);
      }
    }
  }
  waitGroup<0>();
  __syncthreads();
  output.observe(sums, warpRow, warpColumn);

  // Lanes hold pieces of 8 bytes. 16 rows at a time pass through the warp's own part of the shared memory, from where a
  // row leaves as whole lines; 8 floats more a row keep the banks of four rows apart.
  constexpr int pitch = Tile::warpColumns + 8, chunks = Tile::warpColumns / 4, rowsAtOnce = 32 / chunks;
  float* const rows = stages + warpId() * 16 * pitch;
  const int column = warpColumn + laneId() % chunks * 4;
  const bool inside = column < output.columns;
  const Float4 bias = inside ? output.bias(column) : Float4{};
#pragma unroll
  for (int i = 0; i < rowBlocks; ++i) {
#pragma unroll
    for (int j = 0; j < columnBlocks; ++j) {
      float* const to = rows + accumulatorRow(0) * pitch + 8 * j + accumulatorColumn(0);
      store(to, Float2{{sums[i][j][0], sums[i][j][1]}});
      store(to + 8 * pitch, Float2{{sums[i][j][2], sums[i][j][3]}});
    }
    __syncwarp();
#pragma unroll 1  // its addresses would live in registers that the sums need
    for (int row = laneId() / chunks; row < 16; row += rowsAtOnce) {
      const int64_t start = output.row(warpRow + 16 * i + row);
      if (start < 0 || !inside) continue;
      Float4 values = load<Float4>(rows + row * pitch + laneId() % chunks * 4);
#pragma unroll
      for (int k = 0; k < 4; ++k) values[k] += bias[k];
      output.store(start + column, values);
    }
    __syncwarp();
  }
}

}  // namespace spinegrad

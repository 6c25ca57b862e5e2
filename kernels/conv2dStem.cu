// conv2d of images with one to four channels: the first layer of a network, ResNet's 7x7 with stride 2. With so few
// channels the pixels of a tap are no whole 16-byte chunks, and on tensor cores most of a padded depth would be zeros;
// so these kernels multiply in float32, with tiles in registers, and need neither padding nor rounding. x and w are
// row-major, [N, C, H, W] and [K, C, R, S]; y and dy have their channels last.
//
// ResNet-18's stem at 96x96 is 49 x 64 x 48 x 48 = 7.2 M products an image and writes 590 kB. At batch 256 that is
// 1.85 G products, 0.19 ms at the 9.7 T a second of an A100 (0.06 ms at an H100's 33.5 T), and 151 MB of y, 0.10 ms at
// 1.55 TB/s (0.05 ms at 3.35 TB/s): the traffic alone takes about as long, with or without tensor cores.
//
// A block has 8 x 16 outputs of one image, whose window of x lies in shared memory with its zero padding (21 x 37
// floats for the stem), so that no tap asks where it is. Lanes are 8 groups of filters by 4 pixels.
#include "kernels/conv2d.h"
#include "kernels/lib/async.cuh"
#include "kernels/lib/epilogue.cuh"
#include "kernels/lib/moments.cuh"

constexpr int stemThreads = 128;

/// Where a tile of outputs lies: tiles go across, then down, then through the images.
struct StemTile {
  int image, top, left;  // of the outputs

  __device__ __forceinline__ StemTile(const Conv2dShape& shape, int tile) {
    const int across = ceilDivide(shape.outputW, stemColumns), down = ceilDivide(shape.outputH, stemRows);
    image = tile / across / down;
    top = tile / across % down * stemRows;
    left = tile % across * stemColumns;
  }
};

/// What a tile's outputs see, [C][rows][columns], zero outside of the image.
__device__ __forceinline__ void loadWindow(float* to, const float* x, const Conv2dShape& shape,
                                           const StemWindow& window, const StemTile& tile) {
  const int top = tile.top * shape.strideH - shape.padH, left = tile.left * shape.strideW - shape.padW;
  const float* const image = x + int64_t(tile.image) * shape.channels * shape.height * shape.width;
  for (int i = threadIdx.x; i < shape.channels * window.rows * window.columns; i += stemThreads) {
    const int channel = i / window.columns / window.rows;
    const int h = top + i / window.columns % window.rows, w = left + i % window.columns;
    const bool inside = h >= 0 && h < shape.height && w >= 0 && w < shape.width;
    to[i] = inside ? image[(channel * shape.height + h) * shape.width + w] : 0.0f;
  }
}

/// The statistics of a warp's outputs, two rows of the tile: of every filter, eight values in each of four lanes.
__device__ __forceinline__ void observe(const float (&sums)[8][8], const ChannelStatistics& to,
                                        const Conv2dShape& shape, const StemTile& tile, int group, int firstFilter) {
  const int down = min(2, max(0, shape.outputH - tile.top - 2 * int(warpId()))),
            across = min(stemColumns, shape.outputW - tile.left);
  const int count = down * across;
  if (firstFilter == 0 && laneId() < 8) to.counts[group] = count;
  if (count == 0) return;
#pragma unroll
  for (int k = 0; k < 8; ++k) {
    const Float2 moments = momentsOf<8, 8>(
        count, [&](int j) { return sums[j][k]; },
        [&](int j) { return j / 4 < down && laneId() / 8 + j % 4 * 4 < across; });
    const int filter = firstFilter + k % 4 + 32 * (k / 4);
    if (laneId() >= 8 || filter >= shape.outputChannels) continue;
    const int64_t at = int64_t(group) * shape.outputChannels + filter;
    to.means[at] = moments[0];
    to.squares[at] = moments[1];
  }
}

/// A thread has 8 outputs (two rows of the warp, every 4th column) times 8 filters (4 and, 32 further, another 4): for
/// each tap it reads 8 + 8 floats for 64 products. For a warp these are 8 passes of shared memory for the pixels (4 at
/// a time, each for 8 lanes) and 2 x 4 for the filters; 64 passes for four warps, in which an A100 can issue half of
/// their 64 products each and an H100 all. A warp's writes are whole lines of 128 bytes. Blocks take tiles in turn, so
/// that the filters, turned round to [tap][filter], are read once. grid: any number of blocks, tiles of filters.
SPINEGRAD_KERNEL(conv2d_fprop_stem, SPINEGRAD_BOUNDS(stemThreads, 4),
                 (const float* x, const float* w, Conv2dEpilogue epilogue, float* y, Conv2dShape shape,
                  StemWindow window, int32_t tiles)) {
  SPINEGRAD_DYNAMIC_SHARED(memory);
  const int taps = shape.channels * shape.kernelH * shape.kernelW;
  float* const filters = reinterpret_cast<float*>(memory);
  float* const pixels = filters + taps * stemFilterPitch;
  const int firstFilter = blockIdx.y * stemFilters;
  for (int i = threadIdx.x; i < taps * stemFilters; i += stemThreads) {
    const int k = i / taps, tap = i % taps;
    filters[tap * stemFilterPitch + k] =
        firstFilter + k < shape.filters ? w[int64_t(firstFilter + k) * taps + tap] : 0.0f;
  }

  const int mine = laneId() % 8 * 4, firstRow = 2 * warpId(), firstColumn = laneId() / 8;
  float start[8];
#pragma unroll
  for (int k = 0; k < 8; ++k) {
    const int filter = firstFilter + mine + k % 4 + 32 * (k / 4);
    start[k] = epilogue.bias != nullptr && filter < shape.filters ? epilogue.bias[filter] : 0.0f;
  }

  for (int i = blockIdx.x; i < tiles; i += gridDim.x) {
    const StemTile tile(shape, i);
    __syncthreads();  // nobody reads the last window any more
    loadWindow(pixels, x, shape, window, tile);
    __syncthreads();

    float sums[8][8];
#pragma unroll
    for (int j = 0; j < 8; ++j) {
#pragma unroll
      for (int k = 0; k < 8; ++k) sums[j][k] = start[k];
    }
    const float* taken = filters + mine;
    for (int c = 0; c < shape.channels; ++c) {
      for (int r = 0; r < shape.kernelH; ++r) {
        const float* seen =
            pixels + (c * window.rows + firstRow * shape.strideH + r) * window.columns + firstColumn * shape.strideW;
        for (int s = 0; s < shape.kernelW; ++s, ++seen, taken += stemFilterPitch) {
          const Float4 low = load<Float4>(taken), high = load<Float4>(taken + 32);
#pragma unroll
          for (int j = 0; j < 8; ++j) {
            const float value = seen[j / 4 * shape.strideH * window.columns + j % 4 * 4 * shape.strideW];
#pragma unroll
            for (int k = 0; k < 8; ++k) sums[j][k] += value * (k < 4 ? low[k] : high[k - 4]);
          }
        }
      }
    }
    if (epilogue.statistics.counts != nullptr) {
      observe(sums, epilogue.statistics, shape, tile, i * stemGroups + warpId(), firstFilter + mine);
    }
#pragma unroll
    for (int j = 0; j < 8; ++j) {
      const int p = tile.top + firstRow + j / 4, q = tile.left + firstColumn + j % 4 * 4;
      if (p >= shape.outputH || q >= shape.outputW) continue;
      const int64_t pixel = (int64_t(tile.image) * shape.outputH + p) * shape.outputW + q;
#pragma unroll
      for (int k = 0; k < 8; k += 4) {
        const int filter = firstFilter + mine + 8 * k;
        const int64_t at = pixel * shape.outputChannels + filter;
        const Float4 values = {{sums[j][k], sums[j][k + 1], sums[j][k + 2], sums[j][k + 3]}};
        if (filter < shape.outputChannels) store(y + at, finished(values, epilogue, at));
      }
    }
  }
}

/// dw[k, c, r, s] of 64 filters and 64 taps, summed over some of the tiles of outputs: half a block over the upper rows
/// of them, half over the lower, each into a part of its own; conv2d_add_parts adds the parts. A thread has 8 taps
/// times 8 filters and reads, for each output, 8 floats of the window and 8 of dy for 64 products, as in fprop. The
/// tile of dy is 128 outputs by 64 filters, 32 kB; four blocks on a multiprocessor load and multiply in turn. grid:
/// halves of the parts, tiles of taps, tiles of filters.
SPINEGRAD_KERNEL(conv2d_wgrad_stem, SPINEGRAD_BOUNDS(stemThreads, 4),
                 (const float* x, const float* dy, float* parts, Conv2dShape shape, StemWindow window, int32_t tiles,
                  int32_t tilesPerBlock)) {
  SPINEGRAD_DYNAMIC_SHARED(memory);
  float* const gradients = reinterpret_cast<float*>(memory);
  float* const pixels = gradients + stemRows * stemColumns * stemFilters;
  const int taps = shape.channels * shape.kernelH * shape.kernelW;
  const int firstFilter = blockIdx.z * stemFilters, mine = threadIdx.x % 8 * 4;
  const int firstTap = blockIdx.y * stemTaps + threadIdx.x / 8 % 8, half = threadIdx.x / 64;

  int offsets[8];  // of the thread's taps in the window
#pragma unroll
  for (int j = 0; j < 8; ++j) {
    const int tap = min(firstTap + 8 * j, taps - 1);  // those behind the end are not written
    const int c = tap / shape.kernelW / shape.kernelH, r = tap / shape.kernelW % shape.kernelH;
    offsets[j] = (c * window.rows + r) * window.columns + tap % shape.kernelW;
  }

  float sums[8][8] = {};
  const int first = blockIdx.x * tilesPerBlock;
  for (int i = first; i < min(first + tilesPerBlock, tiles); ++i) {
    const StemTile tile(shape, i);
    __syncthreads();  // nobody reads the last tile any more
    for (int chunk = threadIdx.x; chunk < stemRows * stemColumns * stemFilters / 4; chunk += stemThreads) {
      const int pixel = chunk / (stemFilters / 4), filter = firstFilter + chunk % (stemFilters / 4) * 4;
      const int p = tile.top + pixel / stemColumns, q = tile.left + pixel % stemColumns;
      const bool inside = p < shape.outputH && q < shape.outputW && filter < shape.outputChannels;
      const int64_t at =
          ((int64_t(tile.image) * shape.outputH + p) * shape.outputW + q) * shape.outputChannels + filter;
      copyAsync16(gradients + chunk * 4, dy + (inside ? at : 0), inside);
    }
    commitGroup();
    loadWindow(pixels, x, shape, window, tile);
    waitGroup<0>();
    __syncthreads();

    constexpr int rows = stemRows / 2;
    const float* taken = gradients + half * rows * stemColumns * stemFilters + mine;
    for (int p = half * rows; p < (half + 1) * rows; ++p) {
      const float* seen = pixels + p * shape.strideH * window.columns;
#pragma unroll 2
      for (int q = 0; q < stemColumns; ++q, seen += shape.strideW, taken += stemFilters) {
        const Float4 low = load<Float4>(taken), high = load<Float4>(taken + 32);
#pragma unroll
        for (int j = 0; j < 8; ++j) {
          const float value = seen[offsets[j]];
#pragma unroll
          for (int k = 0; k < 8; ++k) sums[j][k] += value * (k < 4 ? low[k] : high[k - 4]);
        }
      }
    }
  }

  float* const part = parts + (int64_t(blockIdx.x) * 2 + half) * shape.filters * taps;
#pragma unroll
  for (int j = 0; j < 8; ++j) {
#pragma unroll
    for (int k = 0; k < 8; ++k) {
      const int filter = firstFilter + mine + k % 4 + 32 * (k / 4), tap = firstTap + 8 * j;
      if (filter < shape.filters && tap < taps) part[int64_t(filter) * taps + tap] = sums[j][k];
    }
  }
}

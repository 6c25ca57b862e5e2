// conv2d of images with one to four channels: the first layer of a network, ResNet's 7x7 with stride 2. The pixels of a
// tap are less than one 16-byte vector, and on tensor cores most of a padded K would be zeros. These kernels therefore
// multiply in float32 with register tiles. x and w are row-major, [N, C, H, W] and [K, C, R, S]; y and dy are channels
// last.
//
// ResNet-18's stem at 96x96 has 49 x 64 x 48 x 48 = 7.2 M products per image and writes 590 kB. At batch 256 the
// products take 0.19 ms at the 9.7 T per second of an A100 (0.06 ms at the 33.5 T of an H100), and the 151 MB of y 0.10
// ms at 1.55 TB/s (0.05 ms at 3.35 TB/s): writing y alone takes about as long.
#include "kernels/conv2d.h"
#include "kernels/lib/async.cuh"
#include "kernels/lib/epilogue.cuh"
#include "kernels/lib/moments.cuh"

constexpr int stemThreads = 128;

/// The position of a tile of outputs. Tiles are numbered along columns, then rows, then images.
struct OutputTile {
  int image, top, left;

  __device__ __forceinline__ OutputTile(const Conv2dShape& shape, int tile) {
    const int tileColumns = ceilDivide(shape.outputW, stemColumns), tileRows = ceilDivide(shape.outputH, stemRows);
    image = tile / tileColumns / tileRows;
    top = tile / tileColumns % tileRows * stemRows;
    left = tile % tileColumns * stemColumns;
  }
};

/// Loads the window of x that a tile reads, [C][rows][columns], with zeros outside the image: 21 x 37 floats for
/// ResNet's stem. The inner loops need no bounds checks.
__device__ __forceinline__ void loadWindow(float* to, const float* x, const Conv2dShape& shape,
                                           const StemWindow& window, const OutputTile& tile) {
  const int top = tile.top * shape.strideH - shape.padH, left = tile.left * shape.strideW - shape.padW;
  const float* const image = x + int64_t(tile.image) * shape.channels * shape.height * shape.width;
  for (int i = threadIdx.x; i < shape.channels * window.rows * window.columns; i += stemThreads) {
    const int channel = i / window.columns / window.rows;
    const int h = top + i / window.columns % window.rows, w = left + i % window.columns;
    const bool inside = h >= 0 && h < shape.height && w >= 0 && w < shape.width;
    to[i] = inside ? image[(channel * shape.height + h) * shape.width + w] : 0.0f;
  }
}

/// Statistics of a warp's outputs, two rows of the tile. Four lanes hold eight values each of every filter.
__device__ __forceinline__ void accumulateStats(const float (&accumulators)[8][8], const ChannelStatistics& to,
                                                const Conv2dShape& shape, const OutputTile& tile, int group,
                                                int firstFilter) {
  const int rows = min(2, max(0, shape.outputH - tile.top - 2 * int(warpId()))),
            columns = min(stemColumns, shape.outputW - tile.left);
  const int count = rows * columns;
  if (firstFilter == 0 && laneId() < 8) to.counts[group] = count;
  if (count == 0) return;
#pragma unroll
  for (int k = 0; k < 8; ++k) {
    const Float2 moments = momentsOf<8, 8>(
        count, [&](int j) { return accumulators[j][k]; },
        [&](int j) { return j / 4 < rows && laneId() / 8 + j % 4 * 4 < columns; });
    const int filter = firstFilter + k % 4 + 32 * (k / 4);
    if (laneId() >= 8 || filter >= shape.outputChannels) continue;
    const int64_t at = int64_t(group) * shape.outputChannels + filter;
    to.means[at] = moments[0];
    to.squares[at] = moments[1];
  }
}

/// A block computes 8 x 16 outputs of one image and 64 filters. A thread has 8 outputs (two rows, every 4th column)
/// times 8 filters (4, and the 4 that are 32 further): for each tap it reads 8 + 8 floats for 64 products. A warp reads
/// the pixels in 8 passes of shared memory and the filters in 2 x 4; four warps take 64 passes, in which an A100 issues
/// half of their products and an H100 all. A warp writes whole lines of 128 bytes.
///
/// A block transposes its filters to [tap][filter] once, then processes tiles in a grid-stride loop. With one block per
/// tile, as on an H100 at batch 64 (1,152 blocks), the filters are read and transposed once per tile.
/// grid: any number of blocks, tiles of filters.
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

  const int filterOffset = laneId() % 8 * 4, firstRow = 2 * warpId(), firstColumn = laneId() / 8;
  float bias[8];
#pragma unroll
  for (int k = 0; k < 8; ++k) {
    const int filter = firstFilter + filterOffset + k % 4 + 32 * (k / 4);
    bias[k] = epilogue.bias != nullptr && filter < shape.filters ? epilogue.bias[filter] : 0.0f;
  }

  for (int i = blockIdx.x; i < tiles; i += gridDim.x) {
    const OutputTile tile(shape, i);
    __syncthreads();  // all threads have read the previous window
    loadWindow(pixels, x, shape, window, tile);
    __syncthreads();

    float accumulators[8][8];
#pragma unroll
    for (int j = 0; j < 8; ++j) {
#pragma unroll
      for (int k = 0; k < 8; ++k) accumulators[j][k] = bias[k];
    }
    const float* filterRow = filters + filterOffset;
    for (int c = 0; c < shape.channels; ++c) {
      for (int r = 0; r < shape.kernelH; ++r) {
        const float* windowPixel =
            pixels + (c * window.rows + firstRow * shape.strideH + r) * window.columns + firstColumn * shape.strideW;
        for (int s = 0; s < shape.kernelW; ++s, ++windowPixel, filterRow += stemFilterPitch) {
          const Float4 low = load<Float4>(filterRow), high = load<Float4>(filterRow + 32);
#pragma unroll
          for (int j = 0; j < 8; ++j) {
            const float value = windowPixel[j / 4 * shape.strideH * window.columns + j % 4 * 4 * shape.strideW];
#pragma unroll
            for (int k = 0; k < 8; ++k) accumulators[j][k] += value * (k < 4 ? low[k] : high[k - 4]);
          }
        }
      }
    }
    if (epilogue.statistics.counts != nullptr) {
      accumulateStats(accumulators, epilogue.statistics, shape, tile, i * stemGroups + warpId(),
                      firstFilter + filterOffset);
    }
#pragma unroll
    for (int j = 0; j < 8; ++j) {
      const int p = tile.top + firstRow + j / 4, q = tile.left + firstColumn + j % 4 * 4;
      if (p >= shape.outputH || q >= shape.outputW) continue;
      const int64_t pixel = (int64_t(tile.image) * shape.outputH + p) * shape.outputW + q;
#pragma unroll
      for (int k = 0; k < 8; k += 4) {
        const int filter = firstFilter + filterOffset + 8 * k;
        const int64_t at = pixel * shape.outputChannels + filter;
        const Float4 values = {
            {accumulators[j][k], accumulators[j][k + 1], accumulators[j][k + 2], accumulators[j][k + 3]}};
        if (filter < shape.outputChannels) store(y + at, applyEpilogue(values, epilogue, at));
      }
    }
  }
}

/// dw[k, c, r, s] of 64 filters and 64 taps, summed over `tilesPerBlock` tiles of outputs. The two halves of a block
/// take the upper and the lower rows of a tile and write one split each; conv2d_add_parts adds the splits. As in fprop,
/// a thread has 8 taps times 8 filters and reads 8 floats of the window and 8 of dy for 64 products. The tile of dy is
/// 128 outputs by 64 filters, 32 kB, so four blocks share a multiprocessor. grid: pairs of splits, tiles of taps, tiles
/// of filters.
SPINEGRAD_KERNEL(conv2d_wgrad_stem, SPINEGRAD_BOUNDS(stemThreads, 4),
                 (const float* x, const float* dy, float* splits, Conv2dShape shape, StemWindow window, int32_t tiles,
                  int32_t tilesPerBlock)) {
  SPINEGRAD_DYNAMIC_SHARED(memory);
  float* const gradients = reinterpret_cast<float*>(memory);
  float* const pixels = gradients + stemRows * stemColumns * stemFilters;
  const int taps = shape.channels * shape.kernelH * shape.kernelW;
  const int firstFilter = blockIdx.z * stemFilters, filterOffset = threadIdx.x % 8 * 4;
  const int firstTap = blockIdx.y * stemTaps + threadIdx.x / 8 % 8, half = threadIdx.x / 64;

  int offsets[8];  // the thread's taps in the window
#pragma unroll
  for (int j = 0; j < 8; ++j) {
    const int tap = min(firstTap + 8 * j, taps - 1);  // taps beyond the end are not written
    const int c = tap / shape.kernelW / shape.kernelH, r = tap / shape.kernelW % shape.kernelH;
    offsets[j] = (c * window.rows + r) * window.columns + tap % shape.kernelW;
  }

  float accumulators[8][8] = {};
  const int first = blockIdx.x * tilesPerBlock;
  for (int i = first; i < min(first + tilesPerBlock, tiles); ++i) {
    const OutputTile tile(shape, i);
    __syncthreads();  // all threads have read the previous tile
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
    const float* gradientRow = gradients + half * rows * stemColumns * stemFilters + filterOffset;
    for (int p = half * rows; p < (half + 1) * rows; ++p) {
      const float* windowPixel = pixels + p * shape.strideH * window.columns;
#pragma unroll 2
      for (int q = 0; q < stemColumns; ++q, windowPixel += shape.strideW, gradientRow += stemFilters) {
        const Float4 low = load<Float4>(gradientRow), high = load<Float4>(gradientRow + 32);
#pragma unroll
        for (int j = 0; j < 8; ++j) {
          const float value = windowPixel[offsets[j]];
#pragma unroll
          for (int k = 0; k < 8; ++k) accumulators[j][k] += value * (k < 4 ? low[k] : high[k - 4]);
        }
      }
    }
  }

  float* const split = splits + (int64_t(blockIdx.x) * 2 + half) * shape.filters * taps;
#pragma unroll
  for (int j = 0; j < 8; ++j) {
#pragma unroll
    for (int k = 0; k < 8; ++k) {
      const int filter = firstFilter + filterOffset + k % 4 + 32 * (k / 4), tap = firstTap + 8 * j;
      if (filter < shape.filters && tap < taps) split[int64_t(filter) * taps + tap] = accumulators[j][k];
    }
  }
}

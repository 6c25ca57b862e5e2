// upsample2d of channels-last images by an integer scale: forward repeats each pixel, backward sums the repeated pixels
// in row-major order.
//
// A thread takes four channels of one pixel of its output. Neighboring threads take the next channels, then the next
// column, so a warp reads and writes complete lines. Bound by memory: forward writes scale^2 times what it reads.
#include "kernels/lib/pixels.cuh"
#include "kernels/lib/vector.cuh"

SPINEGRAD_KERNEL(upsample2d_forward, 256,
                 (const float* __restrict__ x, float* __restrict__ y, int64_t images, int32_t height, int32_t width,
                  int32_t paddedChannels, int32_t scale)) {
  const int32_t tall = height * scale, wide = width * scale;
  eachFour(images, tall, wide, paddedChannels, [&](int64_t image, int32_t row, int32_t column, int32_t c) {
    const int64_t from = (image * height + row / scale) * width + column / scale;
    store(y + ((image * tall + row) * wide + column) * paddedChannels + c, load<Float4>(x + from * paddedChannels + c));
  });
}

SPINEGRAD_KERNEL(upsample2d_backward, SPINEGRAD_BOUNDS(256, 4),
                 (const float* __restrict__ dy, float* __restrict__ dx, int64_t images, int32_t height, int32_t width,
                  int32_t paddedChannels, int32_t scale)) {
  eachFour(images, height, width, paddedChannels, [&](int64_t image, int32_t row, int32_t column, int32_t c) {
    const int64_t wide = int64_t(width) * scale;
    const float* from = dy + ((image * height + row) * scale * wide + column * scale) * paddedChannels + c;
    Float4 sum = {};
    for (int32_t i = 0; i < scale; ++i) {
      for (int32_t j = 0; j < scale; ++j) {
        const Float4 value = load<Float4>(from + (i * wide + j) * paddedChannels);
#pragma unroll
        for (int k = 0; k < 4; ++k) sum[k] += value[k];
      }
    }
    store(dx + ((image * height + row) * width + column) * paddedChannels + c, sum);
  });
}

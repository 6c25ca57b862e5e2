// globalAvgPool2d: y [images, channels] = mean over the pixels of x [images, pixels, padded]; backward spreads
// dy / pixels, and zeros over the padding.
//
// A thread takes four channels. It adds in double and in order: the map at the end of ResNet-18 has nine pixels of 512
// channels, 1.2 MB at batch 64, and neither the sum nor the memory is worth a second block. `share` is 1 / pixels.
#include "kernels/lib/kernel.cuh"
#include "kernels/lib/vector.cuh"

SPINEGRAD_KERNEL(globalAvgPool2d_forward, 128,
                 (const float* __restrict__ x, int64_t images, int32_t pixels, int32_t channels, int32_t padded,
                  double share, float* __restrict__ y)) {
  const int32_t fours = padded / 4;
  for (int64_t item = globalThread(); item < images * fours; item += allThreads()) {
    const int64_t image = item / fours;
    const auto channel = static_cast<int32_t>(item - image * fours) * 4;
    const float* from = x + image * pixels * padded + channel;
    double sum[4] = {};
#pragma unroll 4
    for (int32_t pixel = 0; pixel < pixels; ++pixel) {
      const Float4 value = load<Float4>(from + int64_t(pixel) * padded);
#pragma unroll
      for (int i = 0; i < 4; ++i) sum[i] += value[i];
    }
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if (channel + i < channels) y[image * channels + channel + i] = static_cast<float>(sum[i] * share);
    }
  }
}

SPINEGRAD_KERNEL(globalAvgPool2d_backward, 128,
                 (const float* __restrict__ dy, int64_t images, int32_t pixels, int32_t channels, int32_t padded,
                  float* __restrict__ dx)) {
  const int32_t fours = padded / 4;
  const auto count = static_cast<float>(pixels);
  for (int64_t item = globalThread(); item < images * pixels * fours; item += allThreads()) {
    const int64_t pixel = item / fours, image = pixel / pixels;
    const auto channel = static_cast<int32_t>(item - pixel * fours) * 4;
    Float4 share;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      share[i] = channel + i < channels ? dy[image * channels + channel + i] / count : 0.0f;
    }
    store(dx + item * 4, share);
  }
}

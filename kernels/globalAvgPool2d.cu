// globalAvgPool2d: y [images, channels] = the mean over the pixels of x [images, pixels, paddedChannels]. Backward
// spreads dy / pixels and writes zeros to the padding.
//
// A thread takes four channels and adds in double in a fixed order. The last map of ResNet-18 has nine pixels of 512
// channels, 1.2 MB at batch 64, too little to split the sum over blocks. `scale` is 1 / pixels.
#include "kernels/lib/kernel.cuh"
#include "kernels/lib/vector.cuh"

SPINEGRAD_KERNEL(globalAvgPool2d_forward, 128,
                 (const float* __restrict__ x, int64_t images, int32_t pixels, int32_t channels, int32_t paddedChannels,
                  double scale, float* __restrict__ y)) {
  const int32_t vectors = paddedChannels / 4;
  for (int64_t item = globalThread(); item < images * vectors; item += gridThreads()) {
    const int64_t image = item / vectors;
    const auto channel = static_cast<int32_t>(item - image * vectors) * 4;
    const float* from = x + image * pixels * paddedChannels + channel;
    double sum[4] = {};
#pragma unroll 4
    for (int32_t pixel = 0; pixel < pixels; ++pixel) {
      const Float4 value = load<Float4>(from + int64_t(pixel) * paddedChannels);
#pragma unroll
      for (int i = 0; i < 4; ++i) sum[i] += value[i];
    }
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if (channel + i < channels) y[image * channels + channel + i] = static_cast<float>(sum[i] * scale);
    }
  }
}

SPINEGRAD_KERNEL(globalAvgPool2d_backward, 128,
                 (const float* __restrict__ dy, int64_t images, int32_t pixels, int32_t channels,
                  int32_t paddedChannels, float* __restrict__ dx)) {
  const int32_t vectors = paddedChannels / 4;
  const auto count = static_cast<float>(pixels);
  for (int64_t item = globalThread(); item < images * pixels * vectors; item += gridThreads()) {
    const int64_t pixel = item / vectors, image = pixel / pixels;
    const auto channel = static_cast<int32_t>(item - pixel * vectors) * 4;
    Float4 values;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      values[i] = channel + i < channels ? dy[image * channels + channel + i] / count : 0.0f;
    }
    store(dx + item * 4, values);
  }
}

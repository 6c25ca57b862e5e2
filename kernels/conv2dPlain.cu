// conv2d without tensor cores: fprop, dgrad and wgrad with one thread per output, straight from the definition
//
//     y[n, p, q, k] = bias[k] + sum over r, s, c of x[n, p strideH - padH + r, q strideW - padW + s, c] w[k, r, s, c]
//
// The kernels accept every shape and compute in float32. They are the second oracle of the tensor-core kernels
// (conv2d.cu) and the fallback if those cannot run: before sm_80, rows that are not a multiple of 16 bytes, tensors of
// 2^31 elements. Each product costs two loads, mostly from the caches. Products are added in float32 along one run of
// channels or pixels, and the runs in double precision.
#include "kernels/conv2d.h"
#include "kernels/lib/epilogue.cuh"

SPINEGRAD_KERNEL(conv2d_fprop_plain, 256,
                 (const float* x, const float* w, Conv2dEpilogue epilogue, float* y, Conv2dShape shape)) {
  const int64_t count = int64_t(shape.images) * shape.outputH * shape.outputW * shape.outputChannels;
  for (int64_t i = globalThread(); i < count; i += gridThreads()) {
    const int k = i % shape.outputChannels;
    const int64_t pixel = i / shape.outputChannels;
    const int q = pixel % shape.outputW, p = pixel / shape.outputW % shape.outputH;
    const int64_t n = pixel / shape.outputW / shape.outputH;
    double total = epilogue.bias != nullptr && k < shape.filters ? epilogue.bias[k] : 0.0f;
    for (int r = 0; r < shape.kernelH && k < shape.filters; ++r) {
      for (int s = 0; s < shape.kernelW; ++s) {
        const int h = p * shape.strideH - shape.padH + r, column = q * shape.strideW - shape.padW + s;
        if (h < 0 || h >= shape.height || column < 0 || column >= shape.width) continue;
        const float* const values = x + ((n * shape.height + h) * shape.width + column) * shape.channels;
        const float* const taps = w + ((int64_t(k) * shape.kernelH + r) * shape.kernelW + s) * shape.channels;
        float run = 0;
        for (int c = 0; c < shape.channels; ++c) run += values[c] * taps[c];
        total += run;
      }
    }
    y[i] = applyEpilogue(static_cast<float>(total), epilogue, i);
  }
}

/// dx[n, h, w, c]. The output (p, q) with p strideH = h + padH - r and q strideW = w + padW - s read this pixel through
/// tap (r, s).
SPINEGRAD_KERNEL(conv2d_dgrad_plain, 256, (const float* dy, const float* w, float* dx, Conv2dShape shape)) {
  const int64_t count = int64_t(shape.images) * shape.height * shape.width * shape.channels;
  const int64_t filterSize = int64_t(shape.kernelH) * shape.kernelW * shape.channels;
  for (int64_t i = globalThread(); i < count; i += gridThreads()) {
    const int c = i % shape.channels;
    const int64_t pixel = i / shape.channels;
    const int column = pixel % shape.width, h = pixel / shape.width % shape.height;
    const int64_t n = pixel / shape.width / shape.height;
    double total = 0;
    for (int r = 0; r < shape.kernelH; ++r) {
      for (int s = 0; s < shape.kernelW; ++s) {
        const int down = h + shape.padH - r, right = column + shape.padW - s;
        const int p = down / shape.strideH, q = right / shape.strideW;
        if (down < 0 || down % shape.strideH != 0 || p >= shape.outputH) continue;
        if (right < 0 || right % shape.strideW != 0 || q >= shape.outputW) continue;
        const float* const gradients = dy + ((n * shape.outputH + p) * shape.outputW + q) * shape.outputChannels;
        const float* const taps = w + (int64_t(r) * shape.kernelW + s) * shape.channels + c;
        float run = 0;
        for (int k = 0; k < shape.filters; ++k) run += gradients[k] * taps[k * filterSize];
        total += run;
      }
    }
    dx[i] = static_cast<float>(total);
  }
}

/// dw[k, r, s, c]
SPINEGRAD_KERNEL(conv2d_wgrad_plain, 256, (const float* x, const float* dy, float* dw, Conv2dShape shape)) {
  const int64_t count = int64_t(shape.filters) * shape.kernelH * shape.kernelW * shape.channels;
  for (int64_t i = globalThread(); i < count; i += gridThreads()) {
    const int c = i % shape.channels, s = i / shape.channels % shape.kernelW;
    const int r = i / shape.channels / shape.kernelW % shape.kernelH;
    const int64_t k = i / shape.channels / shape.kernelW / shape.kernelH;
    double total = 0;
    for (int64_t n = 0; n < shape.images; ++n) {
      for (int p = 0; p < shape.outputH; ++p) {
        const int h = p * shape.strideH - shape.padH + r;
        if (h < 0 || h >= shape.height) continue;
        const float* const values = x + (n * shape.height + h) * shape.width * shape.channels + c;
        const float* const gradients = dy + (n * shape.outputH + p) * shape.outputW * shape.outputChannels + k;
        float run = 0;
        for (int q = 0; q < shape.outputW; ++q) {
          const int64_t column = q * shape.strideW - shape.padW + s;
          if (column < 0 || column >= shape.width) continue;
          run += values[column * shape.channels] * gradients[int64_t(q) * shape.outputChannels];
        }
        total += run;
      }
    }
    dw[i] = static_cast<float>(total);
  }
}

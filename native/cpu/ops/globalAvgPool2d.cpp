// globalAvgPool2d: y[n, c] = mean over the pixels of x[n, c], in double; dx = dy / (H W) for every pixel.

#include <algorithm>
#include <vector>

#include "native/cpu/ops/planes.h"
#include "native/cpu/runtime/device.h"
#include "native/cpu/runtime/simd.h"
#include "native/engine/contracts.h"

namespace spinegrad::cpu {
namespace {

SPINEGRAD_SIMD void accumulatePixels(const float* x, int64_t pixels, int64_t lanes, double* sum) {
  for (int64_t i = 0; i < pixels; ++i) {
    for (int64_t lane = 0; lane < lanes; ++lane) sum[lane] += x[i * lanes + lane];
  }
}

void forward(const Forward& op) {
  const Planes planes(op.x.shape);
  const float* x = read(op.x, channelBlocked(op.x.shape));
  float* y = write<float>(op.y);
#pragma omp parallel for collapse(2) schedule(static)
  for (int64_t image = 0; image < planes.images; ++image) {
    for (int64_t block = 0; block < planes.blocks; ++block) {
      double sum[16] = {};
      accumulatePixels(x + planes.offset(image, block), planes.pixels(), planes.lanes, sum);
      const int64_t first = block * planes.lanes, lanes = std::min(planes.lanes, planes.channels - first);
      for (int64_t lane = 0; lane < lanes; ++lane) {
        y[image * planes.channels + first + lane] = static_cast<float>(sum[lane] / planes.pixels());
      }
    }
  }
}

void backward(const Backward& op) {
  const Planes planes(op.dx.shape);
  const float* dy = read<float>(op.dy);
  float* dx = write(op.dx, channelBlocked(op.dx.shape));
#pragma omp parallel for collapse(2) schedule(static)
  for (int64_t image = 0; image < planes.images; ++image) {
    for (int64_t block = 0; block < planes.blocks; ++block) {
      float gradient[16] = {};
      const int64_t first = block * planes.lanes, lanes = std::min(planes.lanes, planes.channels - first);
      for (int64_t lane = 0; lane < lanes; ++lane) {
        gradient[lane] = dy[image * planes.channels + first + lane] / static_cast<float>(planes.pixels());
      }
      float* to = dx + planes.offset(image, block);
      for (int64_t i = 0; i < planes.pixels(); ++i) std::copy_n(gradient, planes.lanes, to + i * planes.lanes);
    }
  }
}

const Register<forward> registerForward("globalAvgPool2d.forward");
const Register<backward> registerBackward("globalAvgPool2d.backward");

}  // namespace
}  // namespace spinegrad::cpu

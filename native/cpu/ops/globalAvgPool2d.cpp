// globalAvgPool2d: y[n, c] = mean over the image; backward spreads dy / (H W).

#include <algorithm>
#include <vector>

#include "native/cpu/ops/planes.h"
#include "native/cpu/runtime/device.h"
#include "native/cpu/runtime/simd.h"
#include "native/engine/contracts.h"

namespace spinegrad::cpu {
namespace {

SPINEGRAD_SIMD void accumulatePixels(const float* x, int64_t pixels, int64_t block, double* sum) {
  for (int64_t i = 0; i < pixels; ++i) {
    for (int64_t lane = 0; lane < block; ++lane) sum[lane] += x[i * block + lane];
  }
}

void forward(const Forward& op) {
  const Planes planes(op.x.shape);
  const float* x = read(op.x, channelBlocked(op.x.shape));
  float* y = write<float>(op.y);
#pragma omp parallel for collapse(2) schedule(static)
  for (int64_t image = 0; image < planes.images; ++image) {
    for (int64_t group = 0; group < planes.groups; ++group) {
      double sum[16] = {};
      accumulatePixels(x + planes.offset(image, group), planes.pixels(), planes.block, sum);
      const int64_t first = group * planes.block, lanes = std::min(planes.block, planes.channels - first);
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
    for (int64_t group = 0; group < planes.groups; ++group) {
      float share[16] = {};
      const int64_t first = group * planes.block, lanes = std::min(planes.block, planes.channels - first);
      for (int64_t lane = 0; lane < lanes; ++lane) {
        share[lane] = dy[image * planes.channels + first + lane] / static_cast<float>(planes.pixels());
      }
      float* to = dx + planes.offset(image, group);
      for (int64_t i = 0; i < planes.pixels(); ++i) std::copy_n(share, planes.block, to + i * planes.block);
    }
  }
}

const Register<forward> registerForward("globalAvgPool2d.forward");
const Register<backward> registerBackward("globalAvgPool2d.backward");

}  // namespace
}  // namespace spinegrad::cpu

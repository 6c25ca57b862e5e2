// linear: y = x w^T + b with x [N, C], w [K, C], y [N, K]. It uses the kernels of conv2d: a row is an image of one
// pixel, and the filters are 1x1.

#include "native/cuda/ops/conv2d.h"
#include "native/cuda/runtime/device.h"
#include "native/cuda/runtime/memory.h"
#include "native/engine/contracts.h"

namespace spinegrad::cuda {
namespace {

Conv2dShape shapeOf(int64_t n, int64_t c, int64_t k) {
  const auto rows = static_cast<int32_t>(n), inputs = static_cast<int32_t>(c), outputs = static_cast<int32_t>(k);
  return {rows, 1, 1, inputs, outputs, 1, 1, 1, 1, outputs, 1, 1, 0, 0};
}

void fprop(const LinearFprop& op) {
  Tensor &x = op.x, &w = op.weight, &y = op.y;
  const float* bias = op.bias != nullptr ? read<float>(*op.bias) : nullptr;
  conv2dFprop(shapeOf(x.shape[0], x.shape[1], w.shape[0]), read<float>(x), read<float>(w), {.bias = bias},
              write<float>(y));
}

void dgrad(const LinearDgrad& op) {
  Tensor &dy = op.dy, &w = op.weight, &dx = op.dx;
  conv2dDgrad(shapeOf(dy.shape[0], w.shape[1], w.shape[0]), read<float>(dy), read<float>(w), write<float>(dx));
}

void wgrad(const LinearWgrad& op) {
  Tensor &x = op.x, &dy = op.dy, &dw = op.dw;
  conv2dWgrad(shapeOf(x.shape[0], x.shape[1], dy.shape[1]), read<float>(x), read<float>(dy), write<float>(dw));
}

void biasGrad(const BiasGrad& op) {
  Tensor& dy = op.dy;
  conv2dBiasGrad(read<float>(dy), dy.shape[0], dy.shape[1], dy.shape[1], write<float>(op.db));
}

const Register<fprop> registerFprop("linear.fprop");
const Register<dgrad> registerDgrad("linear.dgrad");
const Register<wgrad> registerWgrad("linear.wgrad");
const Register<biasGrad> registerBiasGrad("linear.biasGrad");

}  // namespace
}  // namespace spinegrad::cuda

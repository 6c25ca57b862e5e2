// linear: y = x w^T + b with x [N, C], w [K, C], y [N, K]. A row is an image of one pixel and its convolution with 1x1
// filters is the product, so conv2d's kernels do all of it.

#include "native/cuda/ops/conv2d.h"
#include "native/cuda/runtime/device.h"
#include "native/cuda/runtime/memory.h"

namespace spinegrad::cuda {
namespace {

Conv2dShape shapeOf(int64_t n, int64_t c, int64_t k) {
  const auto rows = static_cast<int32_t>(n), inputs = static_cast<int32_t>(c), outputs = static_cast<int32_t>(k);
  return {rows, 1, 1, inputs, outputs, 1, 1, 1, 1, outputs, 1, 1, 0, 0};
}

void fprop(const Call& call) {
  Tensor &x = call.in(0), &w = call.in(1), &y = call.out(0);
  const float* bias = call.hasIn(2) ? read<float>(call.in(2)) : nullptr;
  conv2dFprop(shapeOf(x.shape[0], x.shape[1], w.shape[0]), read<float>(x), read<float>(w), {.bias = bias},
              write<float>(y));
}

void dgrad(const Call& call) {
  Tensor &dy = call.in(0), &w = call.in(1), &dx = call.out(0);
  conv2dDgrad(shapeOf(dy.shape[0], w.shape[1], w.shape[0]), read<float>(dy), read<float>(w), write<float>(dx));
}

void wgrad(const Call& call) {
  Tensor &x = call.in(0), &dy = call.in(1), &dw = call.out(0);
  conv2dWgrad(shapeOf(x.shape[0], x.shape[1], dy.shape[1]), read<float>(x), read<float>(dy), write<float>(dw));
}

void biasGrad(const Call& call) {
  Tensor& dy = call.in(0);
  conv2dBiasGrad(read<float>(dy), dy.shape[0], dy.shape[1], dy.shape[1], write<float>(call.out(0)));
}

const Register registerFprop("linear.fprop", fprop);
const Register registerDgrad("linear.dgrad", dgrad);
const Register registerWgrad("linear.wgrad", wgrad);
const Register registerBiasGrad("linear.biasGrad", biasGrad);

}  // namespace
}  // namespace spinegrad::cuda

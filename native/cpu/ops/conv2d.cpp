// conv2d: fprop, dgrad, wgrad and the gradient of the bias. The algorithm depends on the shape and the processor only,
// so equal runs give equal bits. Filters keep one layout for fprop and dgrad, in which the optimizer updates them.

#include "native/cpu/conv/convolution.h"
#include "native/cpu/runtime/device.h"
#include "native/cpu/runtime/memory.h"
#include "native/cpu/runtime/simd.h"
#include "native/engine/contracts.h"

namespace spinegrad::cpu {
namespace {

ConvProblem problemOf(const Shape& x, const Shape& w, const Shape& y, const Conv2dAttributes& attributes) {
  const auto& [strideH, strideW, padH, padW, relu] = attributes;
  return {x[0], x[1], x[2], x[3], w[0], w[2], w[3], y[2], y[3], strideH, strideW, padH, padW};
}

void fprop(const Call& call) {
  const Conv2dAttributes attributes(call);
  const FpropTensors tensors{.x = call.in(0),
                             .w = call.in(1),
                             .bias = call.hasIn(2) ? &call.in(2) : nullptr,
                             .residual = call.hasIn(3) ? &call.in(3) : nullptr,
                             .relu = attributes.relu,
                             .y = call.out(0)};
  const ConvProblem problem = problemOf(tensors.x.shape, tensors.w.shape, tensors.y.shape, attributes);
  if (winograd::takes(problem, ConvPass::fprop)) return winograd::fprop(problem, tensors);
  if (directConv::takes(problem)) return directConv::fprop(problem, tensors);
  if (stem::takes(problem)) return stem::fprop(problem, tensors);
  onednn::fprop(problem, tensors);
}

void dgrad(const Call& call) {
  Tensor &dy = call.in(0), &w = call.in(1), &dx = call.out(0);
  const ConvProblem problem = problemOf(dx.shape, w.shape, dy.shape, Conv2dAttributes(call));
  if (winograd::takes(problem, ConvPass::dgrad)) return winograd::dgrad(problem, dy, w, dx);
  onednn::dgrad(problem, dy, w, dx);
}

void wgrad(const Call& call) {
  Tensor &x = call.in(0), &dy = call.in(1), &dw = call.out(0);
  const ConvProblem problem = problemOf(x.shape, dw.shape, dy.shape, Conv2dAttributes(call));
  if (winograd::takes(problem, ConvPass::wgrad)) return winograd::wgrad(problem, x, dy, dw);
  if (stem::takes(problem)) return stem::wgrad(problem, x, dy, dw);
  onednn::wgrad(problem, x, dy, dw);
}

SPINEGRAD_SIMD double sumRow(const float* values, int64_t count) {
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < count; ++i) sum += values[i];
  return sum;
}

/// db[k] = sum over n, p, q of dy[n, k, p, q].
void biasGrad(const Call& call) {
  const Shape& shape = call.in(0).shape;
  const float* dy = read<float>(call.in(0));
  float* db = write<float>(call.out(0));
  const int64_t plane = shape[2] * shape[3];
#pragma omp parallel for schedule(static)
  for (int64_t k = 0; k < shape[1]; ++k) {
    double sum = 0;
    for (int64_t n = 0; n < shape[0]; ++n) sum += sumRow(dy + (n * shape[1] + k) * plane, plane);
    db[k] = static_cast<float>(sum);
  }
}

const Register registerFprop("conv2d.fprop", fprop);
const Register registerDgrad("conv2d.dgrad", dgrad);
const Register registerWgrad("conv2d.wgrad", wgrad);
const Register registerBiasGrad("conv2d.biasGrad", biasGrad);

}  // namespace
}  // namespace spinegrad::cpu

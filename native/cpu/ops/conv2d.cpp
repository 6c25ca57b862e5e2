// conv2d: fprop, dgrad, wgrad and the gradient of the bias. The algorithm depends on the shape and the processor only,
// so equal runs give equal bits. Filters keep one layout for fprop and dgrad, in which the optimizer updates them.

#include "native/cpu/conv/convolution.h"
#include "native/cpu/runtime/device.h"
#include "native/cpu/runtime/memory.h"
#include "native/cpu/runtime/reduce.h"
#include "native/engine/contracts.h"

namespace spinegrad::cpu {
namespace {

template <class Pass>
ConvProblem problemOf(const Pass& op, const Shape& x, const Shape& w, const Shape& y) {
  return {x[0], x[1], x[2], x[3], w[0], w[2], w[3], y[2], y[3], op.strideH, op.strideW, op.padH, op.padW};
}

void fprop(const Conv2dFprop& op) {
  const FpropTensors tensors{
      .x = op.x, .w = op.weight, .bias = op.bias, .residual = op.residual, .relu = op.relu, .y = op.y};
  const ConvProblem problem = problemOf(op, op.x.shape, op.weight.shape, op.y.shape);
  if (winograd::takes(problem, ConvPass::fprop)) return winograd::fprop(problem, tensors);
  if (directConv::takes(problem)) return directConv::fprop(problem, tensors);
  if (stem::takes(problem)) return stem::fprop(problem, tensors);
  onednn::fprop(problem, tensors);
}

void dgrad(const Conv2dDgrad& op) {
  const ConvProblem problem = problemOf(op, op.dx.shape, op.weight.shape, op.dy.shape);
  if (winograd::takes(problem, ConvPass::dgrad)) return winograd::dgrad(problem, op.dy, op.weight, op.dx);
  onednn::dgrad(problem, op.dy, op.weight, op.dx);
}

void wgrad(const Conv2dWgrad& op) {
  const ConvProblem problem = problemOf(op, op.x.shape, op.dw.shape, op.dy.shape);
  if (winograd::takes(problem, ConvPass::wgrad)) return winograd::wgrad(problem, op.x, op.dy, op.dw);
  if (stem::takes(problem)) return stem::wgrad(problem, op.x, op.dy, op.dw);
  onednn::wgrad(problem, op.x, op.dy, op.dw);
}

/// db[k] = sum over n, p, q of dy[n, k, p, q].
void biasGrad(const BiasGrad& op) {
  const Shape& shape = op.dy.shape;
  const float* dy = read<float>(op.dy);
  float* db = write<float>(op.db);
  const int64_t plane = shape[2] * shape[3];
#pragma omp parallel for schedule(static)
  for (int64_t k = 0; k < shape[1]; ++k) {
    double sum = 0;
    for (int64_t n = 0; n < shape[0]; ++n) sum += sumOf(dy + (n * shape[1] + k) * plane, plane);
    db[k] = static_cast<float>(sum);
  }
}

const Register<fprop> registerFprop("conv2d.fprop");
const Register<dgrad> registerDgrad("conv2d.dgrad");
const Register<wgrad> registerWgrad("conv2d.wgrad");
const Register<biasGrad> registerBiasGrad("conv2d.biasGrad");

}  // namespace
}  // namespace spinegrad::cpu

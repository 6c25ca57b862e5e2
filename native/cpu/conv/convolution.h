// The shape of a 2-d convolution and the algorithms that compute its passes. Each algorithm is a namespace with the
// same functions: takes() returns whether the algorithm computes a problem, and fprop(), dgrad() and wgrad() compute
// it. conv2d.cpp chooses the algorithm.
#pragma once

#include <vector>

#include "native/engine/tensor.h"

namespace spinegrad::cpu {

/// y [N, K, P, Q] = x [N, C, H, W] * w [K, C, R, S], with zero padding.
struct ConvProblem {
  int64_t N, C, H, W, K, R, S, P, Q;
  int64_t strideH, strideW, padH, padW;

  Shape x() const { return {N, C, H, W}; }
  Shape w() const { return {K, C, R, S}; }
  Shape y() const { return {N, K, P, Q}; }
  /// All numbers that define the problem.
  std::vector<int64_t> key() const { return {N, C, H, W, K, R, S, strideH, strideW, padH, padW}; }
};

enum class ConvPass { fprop, dgrad, wgrad };

/// y = relu(x * w + bias + residual). `bias` [K] and `residual` [N, K, P, Q] may be null.
struct FpropTensors {
  Tensor &x, &w;
  Tensor *bias, *residual;
  bool relu;
  Tensor& y;
};

namespace winograd {
bool takes(const ConvProblem& problem, ConvPass pass);
void fprop(const ConvProblem& problem, const FpropTensors& tensors);
void dgrad(const ConvProblem& problem, Tensor& dy, Tensor& w, Tensor& dx);
void wgrad(const ConvProblem& problem, Tensor& x, Tensor& dy, Tensor& dw);
}  // namespace winograd

namespace directConv {
bool takes(const ConvProblem& problem);
void fprop(const ConvProblem& problem, const FpropTensors& tensors);
}  // namespace directConv

namespace stem {
bool takes(const ConvProblem& problem);
void fprop(const ConvProblem& problem, const FpropTensors& tensors);
void wgrad(const ConvProblem& problem, Tensor& x, Tensor& dy, Tensor& dw);
}  // namespace stem

/// Takes every problem.
namespace onednn {
void fprop(const ConvProblem& problem, const FpropTensors& tensors);
void dgrad(const ConvProblem& problem, Tensor& dy, Tensor& w, Tensor& dx);
void wgrad(const ConvProblem& problem, Tensor& x, Tensor& dy, Tensor& dw);
}  // namespace onednn

}  // namespace spinegrad::cpu

// Convolution by oneDNN. A primitive is made once per problem and pass, from the first of two candidate layouts for
// which oneDNN has an optimized kernel (not its slow reference):
//   1. channel-blocked images; x is row-major if it has at most four channels, because its blocks would be mostly
//   padding
//   2. row-major images and an im2col matrix product, which supports any shape
// The choice depends on the shape and the processor only, so equal runs use equal kernels. Filters keep fprop's layout,
// in which the optimizer updates them; dgrad reorders a copy if it needs another layout.

#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "native/cpu/conv/convolution.h"
#include "native/cpu/runtime/memory.h"
#include "native/cpu/runtime/parallel.h"
#include "native/cpu/runtime/simd.h"
#include "native/engine/error.h"

namespace spinegrad::cpu::onednn {
namespace {

using dnnl::algorithm;
using dnnl::memory;
using Fprop = dnnl::convolution_forward;
using Dgrad = dnnl::convolution_backward_data;
using Wgrad = dnnl::convolution_backward_weights;

struct ImageLayouts {
  memory::desc x, y;
};

std::vector<ImageLayouts> candidates(const ConvProblem& problem) {
  const Shape x = problem.x(), y = problem.y();
  return {{problem.C <= 4 ? rowMajor(x) : channelBlocked(x), channelBlocked(y)}, {rowMajor(x), rowMajor(y)}};
}

memory::desc anyFilters(const ConvProblem& problem) {
  return {dims(problem.w()), memory::data_type::f32, memory::format_tag::any};
}

memory::dims strides(const ConvProblem& p) { return {p.strideH, p.strideW}; }
memory::dims leadingPadding(const ConvProblem& p) { return {p.padH, p.padW}; }
/// The trailing padding that the last output reads. It is negative if the stride leaves pixels of x unused.
memory::dims trailingPadding(const ConvProblem& p) {
  return {(p.P - 1) * p.strideH + p.R - p.H - p.padH, (p.Q - 1) * p.strideW + p.S - p.W - p.padW};
}

/// Operands that oneDNN adds to y.
struct Addends {
  bool bias = false, residual = false;
};

Fprop::primitive_desc describeFprop(const ConvProblem& problem, const ImageLayouts& layouts, Addends addends) {
  const Fprop::desc desc(dnnl::prop_kind::forward_training, algorithm::convolution_direct, layouts.x,
                         anyFilters(problem), addends.bias ? rowMajor(Shape{problem.K}) : memory::desc(), layouts.y,
                         strides(problem), leadingPadding(problem), trailingPadding(problem));
  dnnl::post_ops postOps;
  if (addends.residual) postOps.append_binary(algorithm::binary_add, layouts.y);
  dnnl::primitive_attr attributes;
  attributes.set_post_ops(postOps);
  return {desc, attributes, dnnlEngine()};
}

template <class Pass>
typename Pass::primitive_desc describeGradient(const ConvProblem& problem, const ImageLayouts& layouts) {
  const typename Pass::desc desc(algorithm::convolution_direct, layouts.x, anyFilters(problem), layouts.y,
                                 strides(problem), leadingPadding(problem), trailingPadding(problem));
  return {desc, dnnlEngine(), describeFprop(problem, layouts, {})};
}

template <class Pass>
struct Primitive {
  typename Pass::primitive_desc description;
  Pass primitive;
};

/// The primitive of a problem, cached per thread. `describe` maps image layouts to a description.
template <class Pass, class Describe>
const Primitive<Pass>& primitiveFor(const ConvProblem& problem, Addends addends, Describe describe) {
  thread_local std::map<std::vector<int64_t>, Primitive<Pass>> cache;
  auto key = problem.key();
  key.insert(key.end(), {int64_t{addends.bias}, int64_t{addends.residual}});
  if (const auto found = cache.find(key); found != cache.end()) return found->second;
  const auto list = candidates(problem);
  for (const ImageLayouts& layouts : list) {
    const bool last = &layouts == &list.back();
    try {
      auto description = describe(layouts);
      const bool reference = std::string(description.impl_info_str()).find("ref") != std::string::npos;
      if (!reference || last) return cache.emplace(key, Primitive<Pass>{description, Pass(description)}).first->second;
    } catch (const dnnl::error&) {
      if (last) throw;
    }
  }
  throw Error("ERR_INTERNAL", "conv2d: no candidate");
}

memory operand(const memory::desc& desc, float* values) { return {desc, dnnlEngine(), values}; }
memory input(Tensor& tensor, const memory::desc& desc) { return operand(desc, read(tensor, desc)); }
memory output(Tensor& tensor, const memory::desc& desc) { return operand(desc, write(tensor, desc)); }

/// NaN stays NaN. oneDNN's own ReLU maps it to 0.
SPINEGRAD_SIMD void applyRelu(float* y, size_t count) {
  for (size_t i = 0; i < count; ++i) y[i] = y[i] < 0 ? 0 : y[i];
}

}  // namespace

void fprop(const ConvProblem& problem, const FpropTensors& tensors) {
  const auto& [x, w, bias, residual, relu, y] = tensors;
  const Addends addends{bias != nullptr, residual != nullptr};
  const auto& [description, primitive] = primitiveFor<Fprop>(
      problem, addends, [&](const ImageLayouts& layouts) { return describeFprop(problem, layouts, addends); });
  const memory::desc wLayout = description.weights_desc(), yLayout = description.dst_desc();
  std::unordered_map<int, memory> arguments{{DNNL_ARG_SRC, input(x, description.src_desc())}};
  // A tensor has one layout: if x is also w or the residual, that operand is a copy.
  std::optional<Workspace<float>> copyOfW, copyOfResidual;
  arguments.emplace(DNNL_ARG_WEIGHTS, operand(wLayout, &w == &x ? peek(w, wLayout, copyOfW) : read(w, wLayout)));
  arguments.emplace(DNNL_ARG_DST, output(y, yLayout));
  if (addends.bias) arguments.emplace(DNNL_ARG_BIAS, input(*bias, description.bias_desc()));
  if (addends.residual) {
    arguments.emplace(
        DNNL_ARG_ATTR_MULTIPLE_POST_OP(0) | DNNL_ARG_SRC_1,
        operand(yLayout, residual == &x ? peek(*residual, yLayout, copyOfResidual) : read(*residual, yLayout)));
  }
  primitive.execute(dnnlStream(), arguments);
  if (relu) {
    float* values = write(y, yLayout);
    parallelChunks(storedElements(y), [=](size_t first, size_t count) { applyRelu(values + first, count); });
  }
}

void dgrad(const ConvProblem& problem, Tensor& dy, Tensor& w, Tensor& dx) {
  const auto& [description, primitive] = primitiveFor<Dgrad>(
      problem, {}, [&](const ImageLayouts& layouts) { return describeGradient<Dgrad>(problem, layouts); });
  std::optional<Workspace<float>> reordered;
  const memory::desc wLayout = description.weights_desc();
  primitive.execute(dnnlStream(), {{DNNL_ARG_DIFF_DST, input(dy, description.diff_dst_desc())},
                                   {DNNL_ARG_WEIGHTS, operand(wLayout, peek(w, wLayout, reordered))},
                                   {DNNL_ARG_DIFF_SRC, output(dx, description.diff_src_desc())}});
}

void wgrad(const ConvProblem& problem, Tensor& x, Tensor& dy, Tensor& dw) {
  const auto& [description, primitive] = primitiveFor<Wgrad>(
      problem, {}, [&](const ImageLayouts& layouts) { return describeGradient<Wgrad>(problem, layouts); });
  primitive.execute(dnnlStream(), {{DNNL_ARG_SRC, input(x, description.src_desc())},
                                   {DNNL_ARG_DIFF_DST, input(dy, description.diff_dst_desc())},
                                   {DNNL_ARG_DIFF_WEIGHTS, output(dw, description.diff_weights_desc())}});
}

}  // namespace spinegrad::cpu::onednn

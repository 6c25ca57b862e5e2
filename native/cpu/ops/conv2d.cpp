// conv2d: fprop, dgrad and wgrad, and the bias gradient.
//
// Our own Winograd takes the 3x3 convolutions of stride 1 and 2 where it pays (see planWinograd), our own direct kernel
// the fprop of few pixels (see planDirectConv), the stem's fprop and wgrad are our own (see stem.cpp), oneDNN takes the
// others. Of oneDNN's algorithms a plan is made once for each shape and pass: candidates are tried in order and the
// first that it has a real kernel for (not its slow reference) is taken:
//   1. channel-blocked images
//   2. row-major images in, channel-blocked out, for one to four channels, which would be mostly padding
//   3. row-major images, through a matrix product: any shape
// The choice depends on shapes and the processor only, never on a clock, so equal runs take equal paths. Weights stay
// in fprop's layout, the optimizer works in it, and dgrad reorders a copy where it wants another; Winograd's layout is
// that of oneDNN's direct kernels.

#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <vector>

#include "native/cpu/conv/directConv.h"
#include "native/cpu/conv/stem.h"
#include "native/cpu/conv/winograd.h"
#include "native/cpu/ops/relu.h"
#include "native/cpu/runtime/device.h"
#include "native/cpu/runtime/memory.h"
#include "native/cpu/runtime/simd.h"
#include "native/engine/contracts.h"
#include "native/engine/error.h"

namespace spinegrad::cpu {
namespace {

using dnnl::algorithm;
using dnnl::memory;
using Fprop = dnnl::convolution_forward;
using Dgrad = dnnl::convolution_backward_data;
using Wgrad = dnnl::convolution_backward_weights;

struct Problem {
  Shape x, w, y;
  Conv2dAttributes attributes;
  bool bias = false, residual = false;

  std::vector<int64_t> key() const {
    std::vector<int64_t> numbers(x.begin(), x.end());
    numbers.insert(numbers.end(), w.begin(), w.end());
    numbers.insert(numbers.end(), {attributes.strideH, attributes.strideW, attributes.padH, attributes.padW,
                                   int64_t{bias}, int64_t{residual}});
    return numbers;
  }

  memory::dims strides() const { return {attributes.strideH, attributes.strideW}; }
  memory::dims padBefore() const { return {attributes.padH, attributes.padW}; }
  /// oneDNN wants the padding behind that is really used: a stride may leave some of it out, or beyond.
  memory::dims padBehind() const {
    return {(y[2] - 1) * attributes.strideH + w[2] - x[2] - attributes.padH,
            (y[3] - 1) * attributes.strideW + w[3] - x[3] - attributes.padW};
  }
};

struct Candidate {
  memory::desc x, y;
};

std::vector<Candidate> candidates(const Problem& problem) {
  const memory::desc plainX = rowMajor(problem.x), plainY = rowMajor(problem.y);
  const memory::desc blockedX = channelBlocked(problem.x), blockedY = channelBlocked(problem.y);
  return {{problem.x[1] <= 4 ? plainX : blockedX, blockedY}, {plainX, plainY}};
}

memory::desc anyWeights(const Problem& problem) {
  return {dims(problem.w), memory::data_type::f32, memory::format_tag::any};
}

memory::desc biasDesc(const Problem& problem) { return problem.bias ? rowMajor(Shape{problem.w[0]}) : memory::desc(); }

Fprop::primitive_desc describeFprop(const Problem& problem, const Candidate& candidate) {
  const Fprop::desc desc(dnnl::prop_kind::forward_training, algorithm::convolution_direct, candidate.x,
                         anyWeights(problem), biasDesc(problem), candidate.y, problem.strides(), problem.padBefore(),
                         problem.padBehind());
  dnnl::post_ops epilogue;
  if (problem.residual) epilogue.append_binary(algorithm::binary_add, candidate.y);
  dnnl::primitive_attr attributes;
  attributes.set_post_ops(epilogue);
  return {desc, attributes, dnnlEngine()};
}

Dgrad::primitive_desc describeDgrad(const Problem& problem, const Candidate& candidate) {
  const Dgrad::desc desc(algorithm::convolution_direct, candidate.x, anyWeights(problem), candidate.y,
                         problem.strides(), problem.padBefore(), problem.padBehind());
  return {desc, dnnlEngine(), describeFprop(problem, candidate)};
}

Wgrad::primitive_desc describeWgrad(const Problem& problem, const Candidate& candidate) {
  const Wgrad::desc desc(algorithm::convolution_direct, candidate.x, anyWeights(problem), candidate.y,
                         problem.strides(), problem.padBefore(), problem.padBehind());
  return {desc, dnnlEngine(), describeFprop(problem, candidate)};
}

template <class Pass>
struct Plan {
  typename Pass::primitive_desc description;
  Pass primitive;
};

/// The plan of a problem, made at first use. Plans belong to the queue's thread.
template <class Pass>
const Plan<Pass>& planFor(const Problem& problem,
                          typename Pass::primitive_desc (*describe)(const Problem&, const Candidate&)) {
  thread_local std::map<std::vector<int64_t>, Plan<Pass>> plans;
  const auto key = problem.key();
  if (const auto found = plans.find(key); found != plans.end()) return found->second;
  const auto list = candidates(problem);
  for (const Candidate& candidate : list) {
    const bool last = &candidate == &list.back();
    try {
      auto description = describe(problem, candidate);
      const bool reference = std::string(description.impl_info_str()).find("ref") != std::string::npos;
      if (!reference || last) return plans.emplace(key, Plan<Pass>{description, Pass(description)}).first->second;
    } catch (const dnnl::error&) {
      if (last) throw;
    }
  }
  throw Error("ERR_INTERNAL", "conv2d: no candidate");
}

memory at(const memory::desc& desc, float* values) { return {desc, dnnlEngine(), values}; }

memory::desc blockedWeights(const Problem& problem) {
  const auto tag = channelBlock() == 16 ? memory::format_tag::OIhw16i16o : memory::format_tag::OIhw8i8o;
  return {dims(problem.w), memory::data_type::f32, tag};
}

memory::desc stemWeights(const Problem& problem) {
  const auto tag = channelBlock() == 16 ? memory::format_tag::Ohwi16o : memory::format_tag::Ohwi8o;
  return {dims(problem.w), memory::data_type::f32, tag};
}

/// By convolve(x, weights, epilogue, y) of our own, y being channel-blocked.
template <class Convolve>
void ownFprop(const Call& call, const Problem& problem, const memory::desc& xLayout, const memory::desc& weightsLayout,
              Convolve convolve) {
  std::optional<Workspace<float>> reordered;
  const float* x = read(call.in(0), xLayout);
  // One tensor can lie in one layout only.
  const float* weights =
      call.inputs[0] == call.inputs[1] ? peek(call.in(1), weightsLayout, reordered) : read(call.in(1), weightsLayout);
  std::optional<Workspace<float>> bias;
  if (problem.bias) {
    const int64_t channels = paddedChannels(problem.w[0]);
    bias.emplace(channels);
    std::fill_n(std::copy_n(read<float>(call.in(2)), problem.w[0], bias->data()), channels - problem.w[0], 0.0f);
  }
  const float* residual = problem.residual ? read(call.in(3), channelBlocked(problem.y)) : nullptr;
  convolve(x, weights, Epilogue{bias ? bias->data() : nullptr, residual, problem.attributes.relu},
           write(call.out(0), channelBlocked(problem.y)));
}

/// dx is a convolution of dy.
void winogradDgrad(const Call& call, const Problem& problem, const Winograd& plan) {
  std::optional<Workspace<float>> reordered;
  const float* weights = peek(call.in(1), blockedWeights(problem), reordered);
  const float* dy = read(call.in(0), channelBlocked(problem.y));
  winogradConvolve(plan, dy, weights, true, {}, write(call.out(0), channelBlocked(problem.x)));
}

void winogradWgrad(const Call& call, const Problem& problem, const Winograd& plan) {
  const float* x = read(call.in(0), channelBlocked(problem.x));
  const float* dy = read(call.in(1), channelBlocked(problem.y));
  winogradFilterGradient(plan, x, dy, write(call.out(0), blockedWeights(problem)));
}

void stemWgrad(const Call& call, const Problem& problem) {
  const float* x = read<float>(call.in(0));
  const float* dy = read(call.in(1), channelBlocked(problem.y));
  float* dw = write(call.out(0), stemWeights(problem));
  stemFilterGradient(problem.x, x, problem.y, dy, problem.w, dw, problem.attributes);
}

void fprop(const Call& call) {
  const Problem problem{call.in(0).shape,       call.in(1).shape, call.out(0).shape,
                        Conv2dAttributes(call), call.hasIn(2),    call.hasIn(3)};
  const memory::desc blockedX = channelBlocked(problem.x);
  if (const auto plan = planWinograd(problem.x, problem.y, problem.w, problem.attributes, false)) {
    return ownFprop(call, problem, blockedX, blockedWeights(problem),
                    [&](auto x, auto weights, const auto& epilogue, auto y) {
                      winogradConvolve(*plan, x, weights, false, epilogue, y);
                    });
  }
  if (const DirectConv* plan = planDirectConv(problem.x, problem.y, problem.w, problem.attributes)) {
    return ownFprop(
        call, problem, blockedX, blockedWeights(problem),
        [&](auto x, auto weights, const auto& epilogue, auto y) { directConvolve(*plan, x, weights, epilogue, y); });
  }
  if (isStem(problem.x, problem.w, problem.attributes)) {
    return ownFprop(call, problem, rowMajor(problem.x), stemWeights(problem),
                    [&](auto x, auto weights, const auto& epilogue, auto y) {
                      stemConvolve(problem.x, x, problem.w, weights, epilogue, problem.y, y, problem.attributes);
                    });
  }
  const auto& [description, primitive] = planFor<Fprop>(problem, describeFprop);
  const bool oneTensor = call.inputs[0] == call.inputs[1];  // which can lie in one layout only
  std::optional<Workspace<float>> reordered;
  float* x = read(call.in(0), description.src_desc());
  float* weights = oneTensor ? peek(call.in(1), description.weights_desc(), reordered)
                             : read(call.in(1), description.weights_desc());
  std::unordered_map<int, memory> arguments{
      {DNNL_ARG_SRC, at(description.src_desc(), x)},
      {DNNL_ARG_WEIGHTS, at(description.weights_desc(), weights)},
      {DNNL_ARG_DST, at(description.dst_desc(), write(call.out(0), description.dst_desc()))}};
  if (problem.bias) {
    arguments.emplace(DNNL_ARG_BIAS, at(description.bias_desc(), read(call.in(2), description.bias_desc())));
  }
  if (problem.residual) {
    arguments.emplace(DNNL_ARG_ATTR_MULTIPLE_POST_OP(0) | DNNL_ARG_SRC_1,
                      at(description.dst_desc(), read(call.in(3), description.dst_desc())));
  }
  primitive.execute(dnnlStream(), arguments);
  // Not by oneDNN, which makes NaN 0.
  if (problem.attributes.relu) reluInPlace(write(call.out(0), description.dst_desc()), storedElements(call.out(0)));
}

void dgrad(const Call& call) {
  const Problem problem{call.out(0).shape, call.in(1).shape, call.in(0).shape, Conv2dAttributes(call)};
  if (const auto plan = planWinograd(problem.x, problem.y, problem.w, problem.attributes, true)) {
    return winogradDgrad(call, problem, *plan);
  }
  const auto& [description, primitive] = planFor<Dgrad>(problem, describeDgrad);
  std::optional<Workspace<float>> reordered;
  float* weights = peek(call.in(1), description.weights_desc(), reordered);
  primitive.execute(
      dnnlStream(),
      {{DNNL_ARG_DIFF_DST, at(description.diff_dst_desc(), read(call.in(0), description.diff_dst_desc()))},
       {DNNL_ARG_WEIGHTS, at(description.weights_desc(), weights)},
       {DNNL_ARG_DIFF_SRC, at(description.diff_src_desc(), write(call.out(0), description.diff_src_desc()))}});
}

void wgrad(const Call& call) {
  const Problem problem{call.in(0).shape, call.out(0).shape, call.in(1).shape, Conv2dAttributes(call)};
  if (const auto plan = planWinograd(problem.x, problem.y, problem.w, problem.attributes, false)) {
    return winogradWgrad(call, problem, *plan);
  }
  if (isStem(problem.x, problem.w, problem.attributes)) return stemWgrad(call, problem);
  const auto& [description, primitive] = planFor<Wgrad>(problem, describeWgrad);
  primitive.execute(
      dnnlStream(),
      {{DNNL_ARG_SRC, at(description.src_desc(), read(call.in(0), description.src_desc()))},
       {DNNL_ARG_DIFF_DST, at(description.diff_dst_desc(), read(call.in(1), description.diff_dst_desc()))},
       {DNNL_ARG_DIFF_WEIGHTS,
        at(description.diff_weights_desc(), write(call.out(0), description.diff_weights_desc()))}});
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

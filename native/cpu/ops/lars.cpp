// lars: one step of LARS (You, Gitman and Ginsburg, "Large batch training of convolutional networks", 2017) for many
// parameters, in place. With the norms |p| and |g| of a whole parameter
//   rate = lr * trust * |p| / (|g| + decay |p|), or lr if `adapt` is false or one of the two norms is 0
//   v = momentum v + rate (g + decay p);  p -= v
// Squares are summed in double per chunk, then over the chunks in order.

#include <cmath>

#include "native/cpu/ops/multitensor.h"
#include "native/cpu/runtime/device.h"
#include "native/cpu/runtime/reduce.h"
#include "native/cpu/runtime/simd.h"
#include "native/engine/contracts.h"

namespace spinegrad::cpu {
namespace {

SPINEGRAD_SIMD void updateRow(float rate, float momentum, float decay, float* p, const float* g, float* v,
                              size_t count) {
#pragma omp simd
  for (size_t i = 0; i < count; ++i) {
    v[i] = momentum * v[i] + rate * (g[i] + decay * p[i]);
    p[i] -= v[i];
  }
}

/// The learning rate of each tensor.
std::vector<float> ratesOf(const LarsFactors& factors, const Tuples<3>& tuples,
                           const std::vector<TensorChunk>& chunks) {
  struct Squares {
    double parameter = 0, gradient = 0;
  };
  std::vector<Squares> partials(chunks.size()), sums(tuples.sizes.size());
  parallelChunks(chunks, [&](const TensorChunk& chunk, size_t index) {
    const auto& [p, g, v] = tuples.values[chunk.tensor];
    const auto count = static_cast<int64_t>(chunk.count);
    partials[index] = {dotOf(p + chunk.first, p + chunk.first, count), dotOf(g + chunk.first, g + chunk.first, count)};
  });
  for (size_t index = 0; index < chunks.size(); ++index) {
    sums[chunks[index].tensor].parameter += partials[index].parameter;
    sums[chunks[index].tensor].gradient += partials[index].gradient;
  }
  std::vector<float> rates;
  for (const Squares& squares : sums) {
    const double p = std::sqrt(squares.parameter), g = std::sqrt(squares.gradient);
    const double ratio = p > 0 && g > 0 ? factors.trust * p / (g + factors.weightDecay * p) : 1;
    rates.push_back(static_cast<float>(factors.learningRate * ratio));
  }
  return rates;
}

void step(const LarsStep& op) {
  const LarsFactors factors = factorsOf(op);
  const Tuples<3> tuples({op.parameter, op.gradient, op.velocity});
  const std::vector<TensorChunk> chunks = splitTensors(tuples.sizes);
  const std::vector<float> rates =
      op.adapt ? ratesOf(factors, tuples, chunks)
               : std::vector<float>(tuples.sizes.size(), static_cast<float>(factors.learningRate));
  parallelChunks(chunks, [&](const TensorChunk& chunk, size_t) {
    const auto& [p, g, v] = tuples.values[chunk.tensor];
    updateRow(rates[chunk.tensor], factors.momentum, factors.weightDecay, p + chunk.first, g + chunk.first,
              v + chunk.first, chunk.count);
  });
}

const Register<step> registerStep("lars.step");

}  // namespace
}  // namespace spinegrad::cpu

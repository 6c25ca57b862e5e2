// lars: one step for many parameters (You, Gitman and Ginsburg 2017). Tuples are (parameter, gradient, velocity). With
// the norms |p| and |g| of a whole parameter
//
//   rate = lr * trust * |p| / (|g| + decay |p|), or lr without adaptation or if one of the two norms is 0
//   v = momentum v + rate (g + decay p);  p -= v
//
// One launch sums the squares of each chunk in double. In the next one each block adds the sums of all chunks of its
// tensor, at most a few hundred, in the same order; so no third launch and no transfer is needed. Bound by memory: 8
// bytes per value for the norms and 20 for the step.
#include "kernels/lars.h"
#include "kernels/lib/multitensor.cuh"
#include "kernels/lib/reduce.cuh"
#include "native/engine/stepFactors.h"

namespace {

struct AddSquares {
  static constexpr uint32_t writes = 0;
  LarsSquares* total;

  __device__ __forceinline__ void operator()(float (&values)[3]) const {
    total->parameter += static_cast<double>(values[0]) * static_cast<double>(values[0]);
    total->gradient += static_cast<double>(values[1]) * static_cast<double>(values[1]);
  }
};

struct Update {
  static constexpr uint32_t writes = 0b101;
  float rate, momentum, decay;

  __device__ __forceinline__ void operator()(float (&values)[3]) const {
    const float velocity = momentum * values[2] + rate * (values[1] + decay * values[0]);
    values[0] -= velocity;
    values[2] = velocity;
  }
};

/// The learning rate of the tensor of this block.
__device__ __forceinline__ float rateOf(const Multitensor<3>& table, const LarsSquares* squares,
                                        const LarsFactors& factors) {
  const MultitensorRange range(table);
  const auto chunks = static_cast<int32_t>((table.size[range.tuple] + multitensorChunk - 1) / multitensorChunk);
  const LarsSquares* first = squares + table.chunksBefore + table.firstChunk[range.tuple];
  LarsSquares total{0, 0};
  for (int32_t chunk = threadIdx.x; chunk < chunks; chunk += blockDim.x) {
    total.parameter += first[chunk].parameter;
    total.gradient += first[chunk].gradient;
  }
  const double p = sqrt(blockSum(total.parameter)), g = sqrt(blockSum(total.gradient));
  const double ratio = p > 0 && g > 0 ? factors.trust * p / (g + factors.weightDecay * p) : 1;
  return static_cast<float>(factors.learningRate * ratio);
}

}  // namespace

SPINEGRAD_KERNEL(lars_squares, 256, (Multitensor<3> table, LarsSquares* squares)) {
  LarsSquares total{0, 0};
  visitChunk(table, AddSquares{&total});
  total.parameter = blockSum(total.parameter);
  total.gradient = blockSum(total.gradient);
  if (threadIdx.x == 0) squares[table.chunksBefore + blockIdx.x] = total;
}

/// `squares` is null without adaptation.
SPINEGRAD_KERNEL(lars_step, 256, (Multitensor<3> table, const LarsSquares* squares, LarsFactors factors)) {
  const float rate = squares != nullptr ? rateOf(table, squares, factors) : static_cast<float>(factors.learningRate);
  visitChunk(table, Update{rate, factors.momentum, factors.weightDecay});
}

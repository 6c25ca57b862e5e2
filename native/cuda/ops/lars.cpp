// lars: sums of squares by chunk, then the step; see kernels/lars.cu.

#include "kernels/lars.h"

#include "native/cuda/ops/multitensor.h"
#include "native/cuda/runtime/device.h"
#include "native/engine/contracts.h"

namespace spinegrad::cuda {
namespace {

void step(const LarsStep& op) {
  const LarsFactors factors = factorsOf(op);
  size_t chunks = 0;
  for (const TensorRef& parameter : op.parameter) {
    chunks += static_cast<size_t>(chunksOf(storedElements(*parameter)));
  }
  for (const auto list : {op.parameter, op.velocity}) changing(list);
  const std::array<std::span<const TensorRef>, 3> lists{op.parameter, op.gradient, op.velocity};
  const Workspace<LarsSquares> squares(op.adapt ? chunks : 0);
  if (op.adapt) {
    eachTable<3>(lists, [&](const Multitensor<3>& table, unsigned count) {
      launch("lars_squares", {count}, {256}, 0, table, squares.data());
    });
  }
  const LarsSquares* sums = op.adapt ? squares.data() : nullptr;
  eachTable<3>(lists, [&](const Multitensor<3>& table, unsigned count) {
    launch("lars_step", {count}, {256}, 0, table, sums, factors);
  });
}

const Register<step> registerStep("lars.step");

}  // namespace
}  // namespace spinegrad::cuda

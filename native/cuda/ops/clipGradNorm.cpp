// clipGradNorm: squares by pieces, their sum, the gradients scaled; kernels/clipGradNorm.cu.

#include "kernels/clipGradNorm.h"

#include "native/cuda/ops/multitensor.h"
#include "native/cuda/runtime/device.h"

namespace spinegrad::cuda {
namespace {

void forward(const Call& call) {
  int64_t chunks = 0;
  for (const TensorRef& gradient : call.inputs) chunks += chunksOf(storedElements(*gradient));
  const Workspace<double> squares(static_cast<size_t>(chunks));
  const Workspace<float> factor(1);
  const ClipGradNormSums sums{squares.data(), chunks};
  eachTable<1>(call, [&](const Multitensor<1>& table, unsigned count) {
    launch("clipGradNorm_squares", {count}, {256}, 0, table, sums);
  });
  launch("clipGradNorm_norm", {1}, {256}, 0, sums, call.real(0), write<float>(*call.outputs.back()), factor.data());
  eachTable<1>(call, [&](const Multitensor<1>& table, unsigned count) {
    launch("clipGradNorm_scale", {count}, {256}, 0, table, static_cast<const float*>(factor.data()));
  });
}

const Register registerForward("clipGradNorm.forward", forward);

}  // namespace
}  // namespace spinegrad::cuda

// clipGradNorm: sums of squares by chunk, the norm, and the scaling; see kernels/clipGradNorm.cu.

#include "kernels/clipGradNorm.h"

#include "native/cuda/ops/multitensor.h"
#include "native/cuda/runtime/device.h"
#include "native/engine/contracts.h"

namespace spinegrad::cuda {
namespace {

void forward(const ClipGradNormForward& op) {
  int64_t chunks = 0;
  for (const TensorRef& gradient : op.gradient) chunks += chunksOf(storedElements(*gradient));
  changing(op.gradient);
  const Workspace<double> squares(static_cast<size_t>(chunks));
  const Workspace<float> factor(1);
  const ClipGradNormSums sums{squares.data(), chunks};
  eachTable<1>({op.gradient}, [&](const Multitensor<1>& table, unsigned count) {
    launch("clipGradNorm_squares", {count}, {256}, 0, table, sums);
  });
  launch("clipGradNorm_norm", {1}, {256}, 0, sums, op.maxNorm, write<float>(op.norm), factor.data());
  eachTable<1>({op.gradient}, [&](const Multitensor<1>& table, unsigned count) {
    launch("clipGradNorm_scale", {count}, {256}, 0, table, static_cast<const float*>(factor.data()));
  });
}

const Register<forward> registerForward("clipGradNorm.forward");

}  // namespace
}  // namespace spinegrad::cuda

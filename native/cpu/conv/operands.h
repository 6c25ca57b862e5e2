// The operands of the fprop kernels of Winograd, directConv and stem, in the layouts of the kernels.
#pragma once

#include <optional>

#include "native/cpu/conv/convolution.h"
#include "native/cpu/conv/epilogue.h"
#include "native/cpu/runtime/memory.h"

namespace spinegrad::cpu {

/// [K/lanes][C/lanes][R][S][lanes of C][lanes of K], the layout of oneDNN's direct kernels.
dnnl::memory::desc blockedFilters(const ConvProblem& problem);

/// Pointers of an fprop call, valid as long as this object and the tensors. y and the residual are channel-blocked.
class FpropOperands {
  std::optional<Workspace<float>> reorderedW_, paddedBias_;

 public:
  FpropOperands(const FpropTensors& tensors, const dnnl::memory::desc& xLayout, const dnnl::memory::desc& wLayout);

  const float *x, *w;
  Epilogue epilogue;
  float* y;
};

}  // namespace spinegrad::cpu

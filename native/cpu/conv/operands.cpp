#include "native/cpu/conv/operands.h"

#include <algorithm>

namespace spinegrad::cpu {
namespace {

/// The bias with zeros for the padding channels of the last block.
const float* paddedBias(Tensor& bias, std::optional<Workspace<float>>& workspace) {
  const int64_t channels = bias.shape[0], padded = paddedChannels(channels);
  workspace.emplace(padded);
  std::fill_n(std::copy_n(read<float>(bias), channels, workspace->data()), padded - channels, 0.0f);
  return workspace->data();
}

}  // namespace

dnnl::memory::desc blockedFilters(const ConvProblem& problem) {
  using Tag = dnnl::memory::format_tag;
  return {dims(problem.w()), dnnl::memory::data_type::f32, vectorLanes() == 16 ? Tag::OIhw16i16o : Tag::OIhw8i8o};
}

FpropOperands::FpropOperands(const FpropTensors& tensors, const dnnl::memory::desc& xLayout,
                             const dnnl::memory::desc& wLayout)
    : x(read(tensors.x, xLayout)),
      // A tensor has one layout: if x is also w, the filters are a copy.
      w(&tensors.x == &tensors.w ? peek(tensors.w, wLayout, reorderedW_) : read(tensors.w, wLayout)),
      epilogue{tensors.bias == nullptr ? nullptr : paddedBias(*tensors.bias, paddedBias_),
               tensors.residual == nullptr ? nullptr : read(*tensors.residual, channelBlocked(tensors.y.shape)),
               tensors.relu},
      y(write(tensors.y, channelBlocked(tensors.y.shape))) {}

}  // namespace spinegrad::cpu

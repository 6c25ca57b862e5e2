#include "native/cpu/ops/focalLoss.h"

namespace spinegrad::cpu {

void writeFocalLoss(const FocalLossForward& op, const Workspace<FocalSums>& parts, int64_t count) {
  FocalSums total;
  for (int64_t index = 0; index < count; ++index) {
    const FocalSums& part = parts[static_cast<size_t>(index)];
    total.terms += part.terms;
    total.weights += part.weights;
    total.count += part.count;
  }
  const double counted = op.reduction == FocalReduction::mean ? total.count : total.weights;
  // Without targets, the loss and its gradient are 0 for any divisor.
  const double divisor = op.reduction == FocalReduction::sum || counted == 0 ? 1 : counted;
  *write<float>(op.loss) = static_cast<float>(total.terms / divisor);
  *write<float>(op.divisor) = static_cast<float>(divisor);
}

}  // namespace spinegrad::cpu

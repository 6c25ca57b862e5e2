#include "native/cpu/ops/focalLoss.h"

#include <string>

#include "native/engine/error.h"

namespace spinegrad::cpu {

void writeFocalLoss(const FocalLossForward& op, const Workspace<FocalSums>& parts, int64_t count) {
  FocalSums total;
  for (int64_t index = 0; index < count; ++index) {
    const FocalSums& part = parts[static_cast<size_t>(index)];
    total.terms += part.terms;
    total.weights += part.weights;
    total.count += part.count;
  }
  if (total.count == 0) {
    throw Error("ERR_NO_TARGETS", "focalLoss(): targets: all are ignored (" + std::to_string(op.ignoreIndex) +
                                      "), expected at least one that counts");
  }
  if (op.reduction == FocalReduction::weightedMean && !(total.weights > 0)) {
    throw Error("ERR_NO_TARGETS", "focalLoss(): alpha of all targets is 0, so there is no weighted mean");
  }
  const double divisor = op.reduction == FocalReduction::sum    ? 1
                         : op.reduction == FocalReduction::mean ? total.count
                                                                : total.weights;
  *write<float>(op.loss) = static_cast<float>(total.terms / divisor);
  *write<float>(op.divisor) = static_cast<float>(divisor);
}

}  // namespace spinegrad::cpu

// queryInfoNCE: one block per query; see kernels/queryInfoNCE.cu.

#include "kernels/queryInfoNCE.h"

#include "native/cuda/runtime/device.h"
#include "native/cuda/runtime/launch.h"
#include "native/cuda/runtime/memory.h"
#include "native/cuda/runtime/status.h"
#include "native/engine/contracts.h"

namespace spinegrad::cuda {
namespace {

template <class Op>
QueryInfoNCEProblem problemOf(const Op& op) {
  return {.queries = read<float>(op.queries),
          .labels = read<int32_t>(op.labels),
          .keys = read<float>(op.keys),
          .keyLabels = read<int32_t>(op.keyLabels),
          .rows = static_cast<int32_t>(op.queries.shape[0]),
          .columns = static_cast<int32_t>(op.keys.shape[0]),
          .dimension = static_cast<int32_t>(op.queries.shape[1]),
          .logScale = op.logScale != nullptr ? read<float>(*op.logScale) : nullptr,
          .scale = static_cast<float>(1 / op.temperature),
          .meanInside = op.mean == PositivesMean::inside};
}

void forward(const QueryInfoNCEForward& op) {
  const QueryInfoNCEProblem problem = problemOf(op);
  const auto rows = static_cast<unsigned>(problem.rows);
  const Workspace<float> terms(rows);
  float* logSum = write<float>(op.logSum);
  float* positiveLogSum = problem.meanInside ? write<float>(*op.positiveLogSum) : nullptr;
  launch("queryInfoNCE_forward", {rows}, {256}, 0, problem, logSum, positiveLogSum, terms.data());
  const int32_t report = reportLater("ERR_NO_POSITIVES",
                                     "queryInfoNCE(): labels: none of the {value} queries has a key of its label, so "
                                     "there is nothing to attract");
  launch("queryInfoNCE_loss", {1}, {256}, 0, terms.data(), logSum, problem.rows, report, currentContext().status(),
         write<float>(op.loss));
}

void backward(const QueryInfoNCEBackward& op) {
  const QueryInfoNCEProblem problem = problemOf(op);
  float* gradient = write<float>(op.dQueries);
  const auto columns = static_cast<unsigned>((problem.dimension + queryInfoNCEGradient - 1) / queryInfoNCEGradient);
  launch("queryInfoNCE_backward", {static_cast<unsigned>(problem.rows), columns}, {256}, 0, problem,
         read<float>(op.logSum), problem.meanInside ? read<float>(*op.positiveLogSum) : nullptr, read<float>(op.dy),
         gradient);
  if (op.dLogScale == nullptr) return;
  launch("queryInfoNCE_scaleGradient", {1}, {256}, 0, problem.queries, gradient,
         int64_t{problem.rows} * problem.dimension, write<float>(*op.dLogScale));
}

const Register<forward> registerForward("queryInfoNCE.forward");
const Register<backward> registerBackward("queryInfoNCE.backward");

}  // namespace
}  // namespace spinegrad::cuda

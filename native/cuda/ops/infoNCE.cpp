// infoNCE: tiles of similarities on tensor cores, or with ordinary instructions before sm_80, then small kernels that
// merge the results of the blocks; see kernels/infoNCE.cu.

#include "kernels/infoNCE.h"

#include <algorithm>
#include <string>

#include "native/cuda/runtime/device.h"
#include "native/cuda/runtime/launch.h"
#include "native/cuda/runtime/memory.h"
#include "native/cuda/runtime/status.h"
#include "native/engine/contracts.h"

namespace spinegrad::cuda {
namespace {

/// The inputs of both passes and the split of the columns.
struct Inputs {
  InfoNCEProblem view;
  /// The number of row tiles and of column splits. They depend on the shape alone, because they determine the order of
  /// the sums.
  int32_t tiles, splits;
  /// The number of positives of each row.
  Workspace<int32_t> positives;

  template <class Op>
  explicit Inputs(const Op& op) : positives(static_cast<size_t>(op.embeddings.shape[0])) {
    constexpr int32_t blocks = 256;  // fill a large device
    const auto rows = static_cast<int32_t>(op.embeddings.shape[0]);
    tiles = (rows + infoNCETile - 1) / infoNCETile;
    const int32_t maxSplits = std::clamp(blocks / tiles, 1, tiles), tilesPerSplit = (tiles + maxSplits - 1) / maxSplits;
    splits = (tiles + tilesPerSplit - 1) / tilesPerSplit;
    view = {.embeddings = read<float>(op.embeddings),
            .labels = read<int32_t>(op.labels),
            .rows = rows,
            .dimension = static_cast<int32_t>(op.embeddings.shape[1]),
            .logScale = op.logScale != nullptr ? read<float>(*op.logScale) : nullptr,
            .scale = static_cast<float>(1 / op.temperature),
            .meanInside = op.mean == PositivesMean::inside,
            .tilesPerSplit = tilesPerSplit};
    launch("infoNCE_positives", {blocksFor(int64_t{32} * rows, 128)}, {128}, 0, view.labels, rows, positives.data());
  }

  int64_t count() const { return int64_t{view.rows} * view.dimension; }
  Dim grid(int32_t columnBlocks = 1) const {
    return {static_cast<unsigned>(tiles), static_cast<unsigned>(splits), static_cast<unsigned>(columnBlocks)};
  }
};

/// TF32 needs sm_80.
const char* variant(const char* tf32, const char* plain) {
  return currentContext().architecture() >= 80 ? tf32 : plain;
}

void forward(const InfoNCEForward& op) {
  const Inputs inputs(op);
  const int32_t rows = inputs.view.rows, meanInside = inputs.view.meanInside;
  const Workspace<InfoNCESplit> results(static_cast<size_t>(inputs.splits) * rows);
  launch(variant("infoNCE_forward_tf32", "infoNCE_forward_plain"), inputs.grid(), {128}, 0, inputs.view,
         results.data());
  const InfoNCELogSums logSums{write<float>(op.logSum), meanInside ? write<float>(*op.positiveLogSum) : nullptr};
  const int32_t report = reportLater("ERR_NO_POSITIVES",
                                     "infoNCE(): labels: no two of the {value} rows have the same label, so there is "
                                     "nothing to attract; give each row at least one other of its label in some batch");
  launch("infoNCE_loss", {1}, {512}, 0, results.data(), inputs.splits, inputs.positives.data(), rows, meanInside,
         logSums, report, currentContext().status(), write<float>(op.loss));
}

void backward(const InfoNCEBackward& op) {
  const Inputs inputs(op);
  const int64_t count = inputs.count();
  const Workspace<float> factor(1);
  launch("infoNCE_factor", {1}, {512}, 0, inputs.view, inputs.positives.data(), read<float>(op.dy), factor.data());

  const Workspace<float> results(static_cast<size_t>(inputs.splits * count));
  const InfoNCELogSums logSums{read<float>(op.logSum),
                               inputs.view.meanInside ? read<float>(*op.positiveLogSum) : nullptr};
  const int32_t columnBlocks = (inputs.view.dimension + infoNCEGradient - 1) / infoNCEGradient;
  launch(variant("infoNCE_backward_tf32", "infoNCE_backward_plain"), inputs.grid(columnBlocks), {128}, 0, inputs.view,
         inputs.positives.data(), logSums, results.data());

  const auto blocks = static_cast<unsigned>(std::min<int64_t>((count + 255) / 256, 512));
  const Workspace<double> dots(blocks);
  launch("infoNCE_gradient", {blocks}, {256}, 0, results.data(), inputs.splits, inputs.view.embeddings, count,
         factor.data(), write<float>(op.dEmbeddings), op.dLogScale != nullptr ? dots.data() : nullptr);
  if (op.dLogScale == nullptr) return;
  launch("infoNCE_scaleGradient", {1}, {256}, 0, dots.data(), static_cast<int32_t>(blocks),
         write<float>(*op.dLogScale));
}

const Register<forward> registerForward("infoNCE.forward");
const Register<backward> registerBackward("infoNCE.backward");

}  // namespace
}  // namespace spinegrad::cuda

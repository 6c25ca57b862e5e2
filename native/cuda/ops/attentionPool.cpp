// attentionPool: weights and pooling in forward, gradients of embeddings and scores in backward; see
// kernels/attentionPool.cu.

#include "native/cuda/runtime/device.h"
#include "native/cuda/runtime/launch.h"
#include "native/cuda/runtime/memory.h"
#include "native/cuda/runtime/status.h"
#include "native/engine/contracts.h"

namespace spinegrad::cuda {
namespace {

void forward(const AttentionPoolForward& op) {
  const int64_t groups = op.mask.shape[0], instances = op.mask.shape[1], features = op.y.shape[1];
  float* weights = write<float>(op.weights);
  launch(
      "attentionPool_weights", {1}, {256}, 0, read<float>(op.scores), read<uint8_t>(op.mask), groups, instances,
      weights,
      reportLater("ERR_EMPTY_GROUP", "attentionPool(): mask: group {position} has no instance, expected at least one"),
      currentContext().status());
  launch("attentionPool_forward", {blocksFor(groups * features, 256)}, {256}, 0, read<float>(op.embeddings), weights,
         groups, instances, features, write<float>(op.y));
}

void backward(const AttentionPoolBackward& op) {
  const int64_t groups = op.weights.shape[0], instances = op.weights.shape[1], features = op.dy.shape[1];
  const int64_t rows = groups * instances;
  const float* weights = read<float>(op.weights);
  float* dEmbeddings = op.dEmbeddings != nullptr ? write<float>(*op.dEmbeddings) : nullptr;
  float* dScores = op.dScores != nullptr ? write<float>(*op.dScores) : nullptr;
  launch("attentionPool_backward", {blocksFor(rows * 32, 128)}, {128}, 0, read<float>(op.embeddings), weights,
         read<float>(op.dy), rows, instances, features, dEmbeddings, dScores);
  if (dScores != nullptr) {
    launch("attentionPool_scores", {blocksFor(groups, 128)}, {128}, 0, weights, groups, instances, dScores);
  }
}

const Register<forward> registerForward("attentionPool.forward");
const Register<backward> registerBackward("attentionPool.backward");

}  // namespace
}  // namespace spinegrad::cuda

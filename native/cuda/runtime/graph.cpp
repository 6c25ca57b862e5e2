#include "native/cuda/runtime/graph.h"

#include <cstring>
#include <utility>

#include "native/engine/error.h"

namespace spinegrad::cuda {
namespace {

class Graph final : public Recording {
 public:
  Graph(std::shared_ptr<Context> context, Holdings holdings, CUgraphExec executable)
      : context_(std::move(context)), holdings_(std::move(holdings)), executable_(executable) {}

  // The driver keeps a graph that still runs until it has, and memory goes to work behind it on the same stream; only
  // what the host lends must be waited for.
  ~Graph() override {
    const Current scope(context_->handle());
    if (!holdings_.constants.empty()) driver().cuStreamSynchronize(context_->stream());
    holdings_.constants.clear();
    driver().cuGraphExecDestroy(executable_);
    context_->allocator().end(*holdings_.pool);
  }

  void replay() override {
    if (context_->capture() != nullptr) throw Error("ERR_CAPTURE", "a captured step cannot replay another");
    for (const auto& block : holdings_.borrowed) {
      if (block->left) {
        throw Error("ERR_CAPTURE",
                    "a tensor that the captured step uses has taken other memory since; capture it again");
      }
    }
    SPINEGRAD_CUDA(cuGraphLaunch, executable_, context_->stream());
  }

 private:
  const std::shared_ptr<Context> context_;
  Holdings holdings_;
  const CUgraphExec executable_;
};

}  // namespace

Capture::Capture(Context& context) : context_(context) {
  // Relaxed: this thread may get memory meanwhile, and other threads may do as they like.
  SPINEGRAD_CUDA(cuStreamBeginCapture, context.stream(), CU_STREAM_CAPTURE_MODE_RELAXED);
  context.allocator().use(holdings_.pool);
}

CUgraph Capture::endRecording() {
  recording_ = false;
  context_.allocator().use(nullptr);
  CUgraph graph = nullptr;
  SPINEGRAD_CUDA(cuStreamEndCapture, context_.stream(), &graph);
  return graph;
}

Capture::~Capture() {
  if (recording_) {
    try {
      driver().cuGraphDestroy(endRecording());
    } catch (const Error&) {  // invalid, and so gone already
    }
  }
  if (holdings_.pool != nullptr) context_.allocator().end(*holdings_.pool);
}

void Capture::borrow(const std::shared_ptr<Block>& block) {
  if (!block->isCurrent()) holdings_.borrowed.insert(block);
}

void Capture::upload(CUdeviceptr to, const void* from, size_t bytes) {
  const auto& constant = holdings_.constants.emplace_back(std::make_unique<Pinned>(bytes));
  std::memcpy(constant->data(), from, bytes);
  SPINEGRAD_CUDA(cuMemcpyHtoDAsync, to, constant->data(), bytes, context_.stream());
}

std::unique_ptr<Recording> Capture::end() {
  const CUgraph graph = endRecording();
  CUgraphExec executable = nullptr;
  const CUresult result = driver().cuGraphInstantiate(&executable, graph, 0);
  driver().cuGraphDestroy(graph);
  check(result, "cuGraphInstantiate", __FILE__, __LINE__);
  for (const auto& block : holdings_.borrowed) {
    if (block.use_count() == 1) {
      driver().cuGraphExecDestroy(executable);
      throw Error("ERR_CAPTURE", "the captured step disposes a tensor from before it; a replay could not do so again");
    }
  }
  return std::make_unique<Graph>(context_.shared_from_this(), std::exchange(holdings_, {nullptr, {}, {}}), executable);
}

}  // namespace spinegrad::cuda

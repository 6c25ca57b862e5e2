#include "native/cuda/runtime/graph.h"

#include <cstring>
#include <utility>

#include "native/engine/error.h"

namespace spinegrad::cuda {
namespace {

class Graph final : public Recording {
 public:
  Graph(std::shared_ptr<Context> context, CapturedResources resources, CUgraphExec executable)
      : context_(std::move(context)), resources_(std::move(resources)), executable_(executable) {}

  // The driver keeps a running graph until it has finished, and device memory is reused in stream order. Only pinned
  // host memory must not be freed before the graph has finished. After close(), everything is freed or lost.
  ~Graph() override {
    if (!context_->isOpen()) {
      for (auto& constant : resources_.constants) static_cast<void>(constant.release());
      return;
    }
    const ScopedContext scope(context_->handle());
    driver().cuGraphExecDestroy(executable_);
    context_->allocator().end(*resources_.pool);
    context_->retire(std::move(resources_.constants));
  }

  void replay() override {
    if (context_->capture() != nullptr) throw Error("ERR_CAPTURE", "a captured step cannot replay another step");
    for (const auto& block : resources_.borrowed) {
      if (block->replaced) {
        throw Error("ERR_CAPTURE", "a tensor that the captured step uses has other memory now; capture the step again");
      }
    }
    SPINEGRAD_CUDA(cuGraphLaunch, executable_, context_->stream());
  }

 private:
  const std::shared_ptr<Context> context_;
  CapturedResources resources_;
  const CUgraphExec executable_;
};

}  // namespace

Capture::Capture(Context& context) : context_(context) {
  // Relaxed: this thread may allocate memory during the capture, and other threads are not restricted.
  SPINEGRAD_CUDA(cuStreamBeginCapture, context.stream(), CU_STREAM_CAPTURE_MODE_RELAXED);
  context.allocator().use(resources_.pool);
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
    } catch (const Error&) {  // the capture was invalid and has no graph
    }
  }
  if (resources_.pool != nullptr) context_.allocator().end(*resources_.pool);
}

void Capture::borrow(const std::shared_ptr<Block>& block) {
  if (!block->isCurrent()) resources_.borrowed.insert(block);
}

void Capture::upload(CUdeviceptr to, const void* from, size_t bytes) {
  const auto& constant = resources_.constants.emplace_back(std::make_unique<Pinned>(bytes));
  std::memcpy(constant->data(), from, bytes);
  SPINEGRAD_CUDA(cuMemcpyHtoDAsync, to, constant->data(), bytes, context_.stream());
}

std::unique_ptr<Recording> Capture::end() {
  const CUgraph graph = endRecording();
  CUgraphExec executable = nullptr;
  const CUresult result = driver().cuGraphInstantiate(&executable, graph, 0);
  driver().cuGraphDestroy(graph);
  check(result, "cuGraphInstantiate", __FILE__, __LINE__);
  for (const auto& block : resources_.borrowed) {
    if (block.use_count() == 1) {
      driver().cuGraphExecDestroy(executable);
      throw Error("ERR_CAPTURE",
                  "the captured step disposes a tensor from before the capture, which a replay cannot repeat");
    }
  }
  return std::make_unique<Graph>(context_.shared_from_this(), std::exchange(resources_, {nullptr, {}, {}}), executable);
}

}  // namespace spinegrad::cuda

// Streams, events and graphs.
#include <chrono>

#include "simulator/driver.h"

using namespace spinegrad::simulator;

namespace {

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

}  // namespace

CUresult cuStreamCreate(CUstream* stream, unsigned) {
  return inContext([&](CUctx_st& context) {
    Stream* const made = new Stream;
    context.streams.insert(made);
    *stream = reinterpret_cast<CUstream>(made);
    return CUDA_SUCCESS;
  });
}

CUresult cuStreamDestroy_v2(CUstream handle) {
  return inContext([&](CUctx_st& context) {
    if (const CUresult result = wait(context, handle); result != CUDA_SUCCESS) return result;
    Stream* const stream = reinterpret_cast<Stream*>(handle);
    context.streams.erase(stream);
    delete stream;
    return CUDA_SUCCESS;
  });
}

CUresult cuStreamSynchronize(CUstream stream) {
  return inContext([&](CUctx_st& context) { return wait(context, stream); });
}

CUresult cuStreamQuery(CUstream handle) {
  return inContext([&](CUctx_st& context) {
    Stream* const stream = streamOf(context, handle);
    if (!stream) return CUDA_ERROR_INVALID_HANDLE;
    if (stream->capture) return invalidate(*stream);
    if (stream->work.empty()) return CUDA_SUCCESS;
    const size_t before = stream->work.size();  // each query runs some work, so that polling ends
    const CUresult result = stream->drain([&] { return stream->work.size() < before; });
    return result == CUDA_SUCCESS ? CUDA_ERROR_NOT_READY : fail(result);
  });
}

CUresult cuStreamWaitEvent(CUstream stream, CUevent handle, unsigned) {
  return inContext([&](CUctx_st& context) {
    Event* const event = reinterpret_cast<Event*>(handle);
    return enqueue(context, stream, [event, target = event->recorded] {
      return event->stream ? event->stream->drain([&] { return event->reached >= target; }) : CUDA_SUCCESS;
    });
  });
}

CUresult cuStreamBeginCapture_v2(CUstream handle, CUstreamCaptureMode) {
  return inContext([&](CUctx_st& context) {
    Stream* const stream = streamOf(context, handle);
    if (!stream || !handle) return CUDA_ERROR_INVALID_HANDLE;
    if (stream->capture) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    stream->capture = std::make_shared<Graph>();
    return CUDA_SUCCESS;
  });
}

CUresult cuStreamEndCapture(CUstream handle, CUgraph* graph) {
  return inContext([&](CUctx_st& context) {
    Stream* const stream = streamOf(context, handle);
    if (!stream) return CUDA_ERROR_INVALID_HANDLE;
    if (!stream->capture) return CUDA_ERROR_STREAM_CAPTURE_UNMATCHED;
    const std::shared_ptr<Graph> captured = std::move(stream->capture);
    if (captured->invalidated) return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
    *graph = reinterpret_cast<CUgraph>(new Graph(std::move(*captured)));
    return CUDA_SUCCESS;
  });
}

CUresult cuStreamIsCapturing(CUstream handle, CUstreamCaptureStatus* status) {
  return inContext([&](CUctx_st& context) {
    const Stream* const stream = streamOf(context, handle);
    if (!stream) return CUDA_ERROR_INVALID_HANDLE;
    *status = stream->capture ? CU_STREAM_CAPTURE_STATUS_ACTIVE : CU_STREAM_CAPTURE_STATUS_NONE;
    return CUDA_SUCCESS;
  });
}

CUresult cuEventCreate(CUevent* event, unsigned) {
  return inContext([&](CUctx_st&) {
    *event = reinterpret_cast<CUevent>(new Event);
    return CUDA_SUCCESS;
  });
}

CUresult cuEventDestroy_v2(CUevent event) {
  return inContext([&](CUctx_st& context) {
    const CUresult result = waitForAll(context);
    delete reinterpret_cast<Event*>(event);
    return result;
  });
}

CUresult cuEventRecord(CUevent handle, CUstream stream) {
  return inContext([&](CUctx_st& context) {
    Event* const event = reinterpret_cast<Event*>(handle);
    event->stream = streamOf(context, stream);
    return enqueue(context, stream, [event, target = ++event->recorded] {
      event->reached = target;
      event->seconds = now();
      return CUDA_SUCCESS;
    });
  });
}

CUresult cuEventQuery(CUevent handle) {
  return inContext([&](CUctx_st&) {
    const Event& event = *reinterpret_cast<Event*>(handle);
    if (event.isDone()) return CUDA_SUCCESS;
    const size_t before = event.stream->work.size();
    const CUresult result = event.stream->drain([&] { return event.stream->work.size() < before; });
    return result == CUDA_SUCCESS ? CUDA_ERROR_NOT_READY : fail(result);
  });
}

CUresult cuEventSynchronize(CUevent handle) {
  return inContext([&](CUctx_st&) {
    const Event& event = *reinterpret_cast<Event*>(handle);
    if (event.isDone()) return CUDA_SUCCESS;
    const CUresult result = event.stream->drain([&] { return event.isDone(); });
    return result == CUDA_SUCCESS ? result : fail(result);
  });
}

CUresult cuEventElapsedTime(float* milliseconds, CUevent from, CUevent to) {
  return inContext([&](CUctx_st&) {
    const Event &begin = *reinterpret_cast<Event*>(from), &end = *reinterpret_cast<Event*>(to);
    if (!begin.recorded || !end.recorded) return CUDA_ERROR_INVALID_HANDLE;
    if (!begin.isDone() || !end.isDone()) return CUDA_ERROR_NOT_READY;
    *milliseconds = static_cast<float>((end.seconds - begin.seconds) * 1e3);
    return CUDA_SUCCESS;
  });
}

CUresult cuGraphInstantiateWithFlags(CUgraphExec* executable, CUgraph graph, unsigned long long) {
  return inContext([&](CUctx_st&) {
    *executable = reinterpret_cast<CUgraphExec>(
        new std::shared_ptr<const Graph>(std::make_shared<Graph>(*reinterpret_cast<const Graph*>(graph))));
    return CUDA_SUCCESS;
  });
}

CUresult cuGraphLaunch(CUgraphExec executable, CUstream stream) {
  return inContext([&](CUctx_st& context) {
    return enqueue(context, stream, [graph = *reinterpret_cast<std::shared_ptr<const Graph>*>(executable)] {
      for (const Work& work : graph->work) {
        if (const CUresult result = work(); result != CUDA_SUCCESS) return result;
      }
      return CUDA_SUCCESS;
    });
  });
}

CUresult cuGraphExecDestroy(CUgraphExec executable) {
  delete reinterpret_cast<std::shared_ptr<const Graph>*>(executable);
  return CUDA_SUCCESS;
}

CUresult cuGraphDestroy(CUgraph graph) {
  delete reinterpret_cast<Graph*>(graph);
  return CUDA_SUCCESS;
}

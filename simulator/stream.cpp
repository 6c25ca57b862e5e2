#include "simulator/stream.h"

namespace spinegrad::simulator {

namespace {
/// Bounds the list for a program that never waits.
constexpr size_t maxLength = 4096;
}  // namespace

void Stream::add(Work piece) {
  if (capture) {
    capture->work.push_back(std::move(piece));
    return;
  }
  work.push_back(std::move(piece));
  if (work.size() > maxLength) drain([this] { return work.size() <= maxLength / 2; });
}

CUresult Stream::drain(const std::function<bool()>& enough) {
  while (!work.empty() && !enough()) {
    const Work piece = std::move(work.front());
    work.pop_front();
    if (const CUresult result = piece(); result != CUDA_SUCCESS) {
      work.clear();
      return result;
    }
  }
  return CUDA_SUCCESS;
}

}  // namespace spinegrad::simulator

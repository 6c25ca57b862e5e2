#include "simulator/stream.h"

namespace spinegrad::simulator {

namespace {
/// A program that never waits must not make the list grow for ever.
constexpr size_t longest = 4096;
}  // namespace

void Stream::add(Work piece) {
  if (capture) {
    capture->work.push_back(std::move(piece));
    return;
  }
  work.push_back(std::move(piece));
  if (work.size() > longest) drain([this] { return work.size() <= longest / 2; });
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

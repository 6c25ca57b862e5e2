#include "native/cuda/runtime/wait.h"

#include <thread>

#include "native/cuda/runtime/driver.h"

namespace spinegrad::cuda {
namespace {

using Clock = std::chrono::steady_clock;

/// Polls without a pause for this long, because a pause takes at least 50 us.
constexpr std::chrono::microseconds busyTime{50};
constexpr std::chrono::microseconds pause{20};

}  // namespace

CUresult poll(const std::function<CUresult()>& query, const std::function<bool()>& giveUp) {
  const auto busyUntil = Clock::now() + busyTime;
  for (;;) {
    const CUresult result = query();
    if (result != CUDA_ERROR_NOT_READY || giveUp()) return result;
    if (Clock::now() > busyUntil) std::this_thread::sleep_for(pause);
  }
}

bool finishes(CUstream stream, std::chrono::milliseconds limit) {
  const auto end = Clock::now() + limit;
  return poll([&] { return driver().cuStreamQuery(stream); }, [&] { return Clock::now() > end; }) !=
         CUDA_ERROR_NOT_READY;
}

}  // namespace spinegrad::cuda

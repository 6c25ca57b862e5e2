#include "simulator/fault.h"

#include <execinfo.h>
#include <pthread.h>
#include <signal.h>
#include <ucontext.h>

#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <map>
#include <mutex>
#include <thread>

#include "simulator/globalMemory.h"
#include "simulator/location.h"
#include "simulator/report.h"

// Linker symbols: the start of this library and the end of its code.
extern "C" __attribute__((visibility("hidden"))) const char __ehdr_start, etext;

namespace spinegrad::simulator {
namespace {

struct Fault {
  int signal;
  const void* address;
  void* stack[32];  // the instruction and the return addresses
  int depth;
};
thread_local Fault fault;

struct sigaction before[NSIG];

const int timeoutSignal = SIGRTMIN + 6;

/// Runs on a spare stack in place of the kernel.
void reportFault() {
  const char* const at = static_cast<const char*>(fault.address);
  std::string what;
  switch (fault.signal) {
    case SIGFPE:
      what = "division by zero";
      break;
    case SIGSEGV:
    case SIGBUS:
      if (block->isStackOverflow(at)) {
        what = "stack overflow: a thread needs more than 60 KiB of local memory";
      } else if (globalMemory::isReserved(at)) {
        what = format("access to %p, which is not allocated", static_cast<const void*>(at));
      } else {
        what = format("access to %p, which is not device memory", static_cast<const void*>(at));
      }
      break;
    default:
      what = format("the kernel runs for more than %g seconds", settings().seconds);
  }
  report(format("%s, at %s; %s\n%s", what.c_str(),
                locate({fault.stack, static_cast<size_t>(fault.depth)}, block->kernel()).c_str(),
                block->where().c_str(), block->describeWarps().c_str()));
  block->abandon(fault.signal == timeoutSignal ? CUDA_ERROR_LAUNCH_TIMEOUT : CUDA_ERROR_ILLEGAL_ADDRESS);
}

void handle(int signal, siginfo_t* info, void* context) {
  auto& registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
  const auto instruction = reinterpret_cast<const char*>(registers[REG_RIP]);
  const bool inLibrary = instruction >= &__ehdr_start && instruction < &etext;
  if (block && block->isRunning() && (inLibrary || signal != timeoutSignal)) {
    fault.signal = signal;
    fault.address = info->si_addr;
    fault.depth = backtrace(fault.stack, 32);
    registers[REG_RIP] = reinterpret_cast<greg_t>(reportFault);
    registers[REG_RSP] = reinterpret_cast<greg_t>(block->spareStack()) - 8;  // as after a call
    return;
  }
  if (signal == timeoutSignal) return;  // in the C library, perhaps with a lock held: wait for the next signal
  const struct sigaction& former = before[signal];
  if (former.sa_flags & SA_SIGINFO) {
    former.sa_sigaction(signal, info, context);
  } else if (former.sa_handler != SIG_DFL && former.sa_handler != SIG_IGN) {
    former.sa_handler(signal);
  } else {
    sigaction(signal, &former, nullptr);  // the instruction faults again and gets the default action
  }
}

/// A thread that checks every 50 ms whether a kernel has exceeded the time limit.
class Watchdog {
 public:
  static Watchdog& instance() {
    static Watchdog& watchdog = *new Watchdog;
    return watchdog;
  }

  void add() {
    const std::lock_guard lock(mutex_);
    deadlines_[pthread_self()] =
        std::chrono::steady_clock::now() + std::chrono::milliseconds(static_cast<int64_t>(settings().seconds * 1e3));
    if (deadlines_.size() == 1) wake_.notify_one();
  }

  void remove() {
    const std::lock_guard lock(mutex_);
    deadlines_.erase(pthread_self());
  }

 private:
  Watchdog() {
    std::thread([this] { watch(); }).detach();
  }

  void watch() {
    std::unique_lock lock(mutex_);
    for (;;) {
      wake_.wait(lock, [this] { return !deadlines_.empty(); });
      wake_.wait_for(lock, std::chrono::milliseconds(50));
      const auto now = std::chrono::steady_clock::now();
      for (const auto& [thread, deadline] : deadlines_)
        if (now > deadline) pthread_kill(thread, timeoutSignal);
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  std::map<pthread_t, std::chrono::steady_clock::time_point> deadlines_;
};

}  // namespace

void catchFaults() {
  static const bool handlers [[maybe_unused]] = [] {
    void* first;
    backtrace(&first, 1);  // loads its library now, because a handler must not
    for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, timeoutSignal}) {
      struct sigaction action {};
      action.sa_sigaction = handle;
      action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER | SA_RESTART;
      sigaction(signal, &action, &before[signal]);
    }
    return true;
  }();
  stack_t stack{};
  sigaltstack(nullptr, &stack);
  if (!(stack.ss_flags & SS_DISABLE)) return;
  constexpr size_t bytes = 64 * 1024;
  stack = {malloc(bytes), 0, bytes};  // lives as long as the process
  sigaltstack(&stack, nullptr);
}

Watch::Watch() { Watchdog::instance().add(); }
Watch::~Watch() { Watchdog::instance().remove(); }

}  // namespace spinegrad::simulator

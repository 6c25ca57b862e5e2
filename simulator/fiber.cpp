#include "simulator/fiber.h"

#include <sys/mman.h>

#include <new>

namespace spinegrad::simulator {

asm(R"(
.text
.globl spinegradSwitchStack
.hidden spinegradSwitchStack
.type spinegradSwitchStack, @function
spinegradSwitchStack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size spinegradSwitchStack, .-spinegradSwitchStack
)");

namespace {
constexpr size_t page = 4096, stackBytes = 64 * 1024, stacks = 1024;
constexpr int savedRegisters = 6;
}  // namespace

Stacks::Stacks() {
  void* const memory = mmap(nullptr, stackBytes * (stacks + 1), PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  memory_ = static_cast<char*>(memory);
  for (size_t i = 0; i < stacks; ++i) mprotect(memory_ + i * stackBytes, page, PROT_NONE);
}

// Each guard page is a mapping, and Linux limits a process to some tens of thousands.
Stacks::~Stacks() { munmap(memory_, stackBytes * (stacks + 1)); }

void* Stacks::fresh(int thread, void (*entry)()) {
  // Equal page offsets would map all stack tops to a few cache sets, so the top is shifted per lane.
  char* const top = memory_ + (thread + 1) * stackBytes - (thread % 32) * 192;
  void** stack = reinterpret_cast<void**>(top);
  *--stack = nullptr;  // the return address, so that `entry` starts with the alignment of a call
  *--stack = reinterpret_cast<void*>(entry);
  for (int i = 0; i < savedRegisters; ++i) *--stack = nullptr;
  return stack;
}

bool Stacks::guards(const void* address) const {
  const char* const at = static_cast<const char*>(address);
  return at >= memory_ && at < memory_ + stackBytes * stacks && static_cast<size_t>(at - memory_) % stackBytes < page;
}

void* Stacks::spare() const { return memory_ + stackBytes * (stacks + 1); }

}  // namespace spinegrad::simulator

// The functions that -fsanitize=thread calls at every load and store of a kernel. They replace the runtime of the
// sanitizer, which does not support fibers and warps, and call the checker.
#if defined(SPINEGRAD_CHECKED)

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "simulator/block.h"
#include "simulator/checker.h"

using namespace spinegrad::simulator;
using checker::Access;

namespace {
inline void notify(Access kind, const void* address, size_t bytes, const void* instruction) {
  if (block && block->isRunning()) checker::access(kind, address, bytes, checker::at(instruction));
}
}  // namespace

#define HERE __builtin_return_address(0)
#define PLAIN(bytes)                                                                               \
  void __tsan_read##bytes(void* address) { notify(Access::read, address, bytes, HERE); }           \
  void __tsan_write##bytes(void* address) { notify(Access::write, address, bytes, HERE); }         \
  void __tsan_unaligned_read##bytes(void* address) { notify(Access::read, address, bytes, HERE); } \
  void __tsan_unaligned_write##bytes(void* address) { notify(Access::write, address, bytes, HERE); }

#define FETCH(bits, name, operation)                                                                 \
  uint##bits##_t __tsan_atomic##bits##_fetch_##name(uint##bits##_t* at, uint##bits##_t value, int) { \
    notify(Access::atomic, at, bits / 8, HERE);                                                      \
    return operation(at, value, __ATOMIC_SEQ_CST);                                                   \
  }
#define ATOMIC(bits)                                                                                                  \
  uint##bits##_t __tsan_atomic##bits##_load(const uint##bits##_t* at, int) {                                          \
    notify(Access::atomic, at, bits / 8, HERE);                                                                       \
    return __atomic_load_n(at, __ATOMIC_SEQ_CST);                                                                     \
  }                                                                                                                   \
  void __tsan_atomic##bits##_store(uint##bits##_t* at, uint##bits##_t value, int) {                                   \
    notify(Access::atomic, at, bits / 8, HERE);                                                                       \
    __atomic_store_n(at, value, __ATOMIC_SEQ_CST);                                                                    \
  }                                                                                                                   \
  FETCH(bits, add, __atomic_fetch_add)                                                                                \
  FETCH(bits, sub, __atomic_fetch_sub)                                                                                \
  FETCH(bits, and, __atomic_fetch_and)                                                                                \
  FETCH(bits, or, __atomic_fetch_or)                                                                                  \
  FETCH(bits, xor, __atomic_fetch_xor)                                                                                \
  uint##bits##_t __tsan_atomic##bits##_exchange(uint##bits##_t* at, uint##bits##_t value, int) {                      \
    notify(Access::atomic, at, bits / 8, HERE);                                                                       \
    return __atomic_exchange_n(at, value, __ATOMIC_SEQ_CST);                                                          \
  }                                                                                                                   \
  int __tsan_atomic##bits##_compare_exchange_strong(uint##bits##_t* at, uint##bits##_t* expected,                     \
                                                    uint##bits##_t value, int, int) {                                 \
    notify(Access::atomic, at, bits / 8, HERE);                                                                       \
    return __atomic_compare_exchange_n(at, expected, value, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);               \
  }                                                                                                                   \
  int __tsan_atomic##bits##_compare_exchange_weak(uint##bits##_t* at, uint##bits##_t* expected, uint##bits##_t value, \
                                                  int, int) {                                                         \
    notify(Access::atomic, at, bits / 8, HERE);                                                                       \
    return __atomic_compare_exchange_n(at, expected, value, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);               \
  }                                                                                                                   \
  uint##bits##_t __tsan_atomic##bits##_compare_exchange_val(uint##bits##_t* at, uint##bits##_t expected,              \
                                                            uint##bits##_t value, int, int) {                         \
    notify(Access::atomic, at, bits / 8, HERE);                                                                       \
    __atomic_compare_exchange_n(at, &expected, value, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);                     \
    return expected;                                                                                                  \
  }

extern "C" {
PLAIN(1)
PLAIN(2)
PLAIN(4)
PLAIN(8)
PLAIN(16)
ATOMIC(32)
ATOMIC(64)
void __tsan_init() {}
void __tsan_atomic_thread_fence(int) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }

// Copies of structs in kernels; the linker redirects them here (--wrap).
void* __real_memcpy(void*, const void*, size_t);
void* __real_memmove(void*, const void*, size_t);
void* __real_memset(void*, int, size_t);

void* __wrap_memcpy(void* to, const void* from, size_t bytes) {
  notify(Access::read, from, bytes, HERE);
  notify(Access::write, to, bytes, HERE);
  return __real_memcpy(to, from, bytes);
}
void* __wrap_memmove(void* to, const void* from, size_t bytes) {
  notify(Access::read, from, bytes, HERE);
  notify(Access::write, to, bytes, HERE);
  return __real_memmove(to, from, bytes);
}
void* __wrap_memset(void* to, int value, size_t bytes) {
  notify(Access::write, to, bytes, HERE);
  return __real_memset(to, value, bytes);
}
}

#endif

// The CPU backend: oneDNN for matrix products and some convolutions, its own vector loops with OpenMP for the rest.
#pragma once

#include <memory>

#include "native/cpu/runtime/allocator.h"
#include "native/engine/contract.h"
#include "native/engine/device.h"

namespace spinegrad::cpu {

/// If `threads` is 0, the number is that of OpenMP. The device keeps at most `maxCached` bytes for reuse.
std::unique_ptr<Device> openDevice(int threads, size_t maxCached);

/// The operations of this backend. Each implementation has one static Register, which adds it.
OperationTable& operations();

template <auto function>
using Register = Registration<function, operations>;

}  // namespace spinegrad::cpu

// The CPU backend: oneDNN for matrix products and some convolutions, its own vector loops with OpenMP for the rest.
#pragma once

#include <memory>

#include "native/cpu/runtime/allocator.h"
#include "native/engine/device.h"

namespace spinegrad::cpu {

/// If `threads` is 0, the number is that of OpenMP.
std::unique_ptr<Device> openDevice(int threads);

/// Registers an operation by name. Each implementation has one static Register.
struct Register {
  Register(const char* name, Operation operation);
};

}  // namespace spinegrad::cpu

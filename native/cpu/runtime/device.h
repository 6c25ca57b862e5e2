// The CPU backend: oneDNN for convolution, pooling and matrix products, short OpenMP loops for the rest.
#pragma once

#include <memory>

#include "native/cpu/runtime/allocator.h"
#include "native/engine/device.h"

namespace spinegrad::cpu {

/// `threads` 0: as many as OpenMP would take.
std::unique_ptr<Device> openDevice(int threads);

/// Makes an operation known by name: one static object beside each implementation.
struct Register {
  Register(const char* name, Operation operation);
};

}  // namespace spinegrad::cpu

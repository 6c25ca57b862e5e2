// The CUDA backend: hand-written kernels (kernels/), started through the driver alone.
#pragma once

#include <memory>

#include "native/engine/device.h"

namespace spinegrad::cuda {

/// Device `index` of those that the driver counts; with `bf16` the products of conv2d and linear round to that in place
/// of TF32. Throws ERR_DEVICE_UNAVAILABLE with the reason.
std::unique_ptr<Device> openDevice(int index, bool bf16);

/// Makes an operation known by name: one static object beside each implementation.
struct Register {
  Register(const char* name, Operation operation);
};

}  // namespace spinegrad::cuda

// The CUDA backend: hand-written kernels (kernels/), started through the driver alone.
#pragma once

#include <memory>

#include "native/engine/contract.h"
#include "native/engine/device.h"

namespace spinegrad::cuda {

/// Device `index` of those that the driver counts; with `bf16` the products of conv2d and linear round to that in place
/// of TF32. Throws ERR_DEVICE_UNAVAILABLE with the reason.
std::unique_ptr<Device> openDevice(int index, bool bf16);

/// The operations of this backend. Each implementation has one static Register, which adds it.
OperationTable& operations();

template <auto function>
using Register = Registration<function, operations>;

}  // namespace spinegrad::cuda

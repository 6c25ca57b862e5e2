// The CUDA backend: hand-written kernels (kernels/), launched through the driver API.
#pragma once

#include <memory>

#include "native/engine/contract.h"
#include "native/engine/device.h"

namespace spinegrad::cuda {

/// Opens the device with number `index`. With `bf16`, conv2d and linear round their factors to bf16 instead of TF32.
/// Throws ERR_DEVICE_UNAVAILABLE with the reason.
std::unique_ptr<Device> openDevice(int index, bool bf16);

/// The operations of this backend. Each implementation registers itself with a static Register.
OperationTable& operations();

template <auto function>
using Register = Registration<function, operations>;

}  // namespace spinegrad::cuda

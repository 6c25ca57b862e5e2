// full: every element of y is `value`.

#include <algorithm>

#include "native/cpu/runtime/device.h"
#include "native/cpu/runtime/memory.h"
#include "native/engine/contracts.h"

namespace spinegrad::cpu {
namespace {

void forward(const FullForward& op) { std::fill_n(write<float>(op.y), op.y.elements(), static_cast<float>(op.value)); }

const Register<forward> registerForward("full.forward");

}  // namespace
}  // namespace spinegrad::cpu

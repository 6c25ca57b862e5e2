// full: every element of y is one value.

#include <algorithm>

#include "native/cpu/runtime/device.h"
#include "native/cpu/runtime/memory.h"

namespace spinegrad::cpu {
namespace {

void forward(const Call& call) {
  std::fill_n(write<float>(call.out(0)), call.out(0).elements(), static_cast<float>(call.real(0)));
}

const Register registerForward("full.forward", forward);

}  // namespace
}  // namespace spinegrad::cpu

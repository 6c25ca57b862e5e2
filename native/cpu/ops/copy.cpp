// copy: y = x, in x's layout.

#include <cstring>

#include "native/cpu/runtime/device.h"
#include "native/cpu/runtime/memory.h"
#include "native/cpu/runtime/parallel.h"
#include "native/cpu/runtime/simd.h"
#include "native/engine/contracts.h"

namespace spinegrad::cpu {
namespace {

void forward(const Forward& op) {
  const auto desc = layout(op.x);
  const float* x = read(op.x, desc);
  float* y = write(op.y, desc);
  parallelChunks(storedElements(op.y),
                 [=](size_t first, size_t count) { std::memcpy(y + first, x + first, count * sizeof(float)); });
}

const Register<forward> registerForward("copy.forward");

}  // namespace
}  // namespace spinegrad::cpu

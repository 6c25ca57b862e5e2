// sum: y [1] is the sum of all elements. Chunks of fixed size are summed in double, then the sums of the chunks in
// order, so the result is independent of the number of threads. Padding channels are zeros.

#include "native/cpu/runtime/device.h"
#include "native/cpu/runtime/memory.h"
#include "native/cpu/runtime/parallel.h"
#include "native/cpu/runtime/reduce.h"
#include "native/cpu/runtime/simd.h"
#include "native/engine/contracts.h"

namespace spinegrad::cpu {
namespace {

constexpr size_t chunk = 16384;

SPINEGRAD_SIMD void fillRow(float value, float* dx, size_t count) {
  for (size_t i = 0; i < count; ++i) dx[i] = value;
}

void forward(const Forward& op) {
  const float* x = read(op.x, layout(op.x));
  const size_t count = storedElements(op.x);
  const auto chunks = static_cast<int64_t>((count + chunk - 1) / chunk);
  Workspace<double> partials(static_cast<size_t>(chunks));
#pragma omp parallel for schedule(static)
  for (int64_t index = 0; index < chunks; ++index) {
    const size_t first = static_cast<size_t>(index) * chunk;
    partials[static_cast<size_t>(index)] = sumOf(x + first, static_cast<int64_t>(std::min(chunk, count - first)));
  }
  double total = 0;
  for (int64_t index = 0; index < chunks; ++index) total += partials[static_cast<size_t>(index)];
  *write<float>(op.y) = static_cast<float>(total);
}

void backward(const Backward& op) {
  const float value = *read<float>(op.dy);
  float* dx = write<float>(op.dx);
  parallelChunks(static_cast<size_t>(op.dx.elements()),
                 [=](size_t first, size_t count) { fillRow(value, dx + first, count); });
}

const Register<forward> registerForward("sum.forward");
const Register<backward> registerBackward("sum.backward");

}  // namespace
}  // namespace spinegrad::cpu

// sum: y [1] = the sum of all elements. Pieces of fixed size are added in double precision and then to one another
// in order, so the result does not depend on the number of threads. Padding lanes are zeros and add nothing.

#include "native/cpu/ops/pointwise.h"
#include "native/cpu/runtime/device.h"
#include "native/cpu/runtime/memory.h"
#include "native/cpu/runtime/simd.h"

namespace spinegrad::cpu {
namespace {

constexpr size_t piece = 16384;

SPINEGRAD_SIMD double sumRow(const float* x, size_t count) {
  double total = 0;
#pragma omp simd reduction(+ : total)
  for (size_t i = 0; i < count; ++i) total += x[i];
  return total;
}

SPINEGRAD_SIMD void fillRow(float value, float* dx, size_t count) {
  for (size_t i = 0; i < count; ++i) dx[i] = value;
}

void forward(const Call& call) {
  const float* x = read(call.in(0), layout(call.in(0)));
  const size_t count = storedElements(call.in(0));
  const auto pieces = static_cast<int64_t>((count + piece - 1) / piece);
  Workspace<double> partials(static_cast<size_t>(pieces));
#pragma omp parallel for schedule(static)
  for (int64_t index = 0; index < pieces; ++index) {
    const size_t first = static_cast<size_t>(index) * piece;
    partials[static_cast<size_t>(index)] = sumRow(x + first, std::min(piece, count - first));
  }
  double total = 0;
  for (int64_t index = 0; index < pieces; ++index) total += partials[static_cast<size_t>(index)];
  *write<float>(call.out(0)) = static_cast<float>(total);
}

void backward(const Call& call) {
  const float value = *read<float>(call.in(0));
  float* dx = write<float>(call.out(0));
  parallelPieces(static_cast<size_t>(call.out(0).elements()),
                 [=](size_t first, size_t count) { fillRow(value, dx + first, count); });
}

const Register registerForward("sum.forward", forward);
const Register registerBackward("sum.backward", backward);

}  // namespace
}  // namespace spinegrad::cpu

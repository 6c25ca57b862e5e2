// linear: y = x w^T + b with x [N, C], w [K, C] and y [N, K]. oneDNN computes the three matrix products.

#include <cstring>

#include "native/cpu/runtime/device.h"
#include "native/cpu/runtime/memory.h"
#include "native/cpu/runtime/simd.h"
#include "native/engine/contracts.h"
#include "native/engine/error.h"

namespace spinegrad::cpu {
namespace {

/// C [m, n] = alpha op(A) op(B) + beta C, all row-major.
void multiply(char transposeA, char transposeB, int64_t m, int64_t n, int64_t k, const float* a, int64_t lda,
              const float* b, int64_t ldb, float beta, float* c) {
  if (dnnl_sgemm(transposeA, transposeB, m, n, k, 1.0f, a, lda, b, ldb, beta, c, n) != dnnl_success) {
    throw Error("ERR_INTERNAL", "linear(): the matrix product of oneDNN failed");
  }
}

void fprop(const LinearFprop& op) {
  const int64_t n = op.x.shape[0], c = op.x.shape[1], k = op.weight.shape[0];
  float* y = write<float>(op.y);
  const bool bias = op.bias != nullptr;
  if (bias) {
    const float* b = read<float>(*op.bias);
    for (int64_t row = 0; row < n; ++row) std::memcpy(y + row * k, b, k * sizeof(float));
  }
  multiply('N', 'T', n, k, c, read<float>(op.x), c, read<float>(op.weight), c, bias ? 1.0f : 0.0f, y);
}

void dgrad(const LinearDgrad& op) {
  const int64_t n = op.dy.shape[0], k = op.dy.shape[1], c = op.weight.shape[1];
  multiply('N', 'N', n, c, k, read<float>(op.dy), k, read<float>(op.weight), c, 0, write<float>(op.dx));
}

void wgrad(const LinearWgrad& op) {
  const int64_t n = op.x.shape[0], c = op.x.shape[1], k = op.dy.shape[1];
  multiply('T', 'N', k, c, n, read<float>(op.dy), k, read<float>(op.x), c, 0, write<float>(op.dw));
}

void biasGrad(const BiasGrad& op) {
  const int64_t n = op.dy.shape[0], k = op.dy.shape[1];
  const float* dy = read<float>(op.dy);
  float* db = write<float>(op.db);
#pragma omp parallel for schedule(static)
  for (int64_t column = 0; column < k; ++column) {
    double sum = 0;
    for (int64_t row = 0; row < n; ++row) sum += dy[row * k + column];
    db[column] = static_cast<float>(sum);
  }
}

const Register<fprop> registerFprop("linear.fprop");
const Register<dgrad> registerDgrad("linear.dgrad");
const Register<wgrad> registerWgrad("linear.wgrad");
const Register<biasGrad> registerBiasGrad("linear.biasGrad");

}  // namespace
}  // namespace spinegrad::cpu

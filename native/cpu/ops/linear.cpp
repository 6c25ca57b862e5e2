// linear: y = x w^T + b with x [N, C], w [K, C], y [N, K]; three matrix products by oneDNN.

#include <cstring>

#include "native/cpu/runtime/device.h"
#include "native/cpu/runtime/memory.h"
#include "native/cpu/runtime/simd.h"
#include "native/engine/error.h"

namespace spinegrad::cpu {
namespace {

/// C [m, n] = alpha op(A) op(B) + beta C, all row-major.
void multiply(char transposeA, char transposeB, int64_t m, int64_t n, int64_t k, const float* a, int64_t lda,
              const float* b, int64_t ldb, float beta, float* c) {
  if (dnnl_sgemm(transposeA, transposeB, m, n, k, 1.0f, a, lda, b, ldb, beta, c, n) != dnnl_success) {
    throw Error("ERR_INTERNAL", "linear: oneDNN refused the matrix product");
  }
}

void fprop(const Call& call) {
  const int64_t n = call.in(0).shape[0], c = call.in(0).shape[1], k = call.in(1).shape[0];
  float* y = write<float>(call.out(0));
  const bool bias = call.hasIn(2);
  if (bias) {
    const float* b = read<float>(call.in(2));
    for (int64_t row = 0; row < n; ++row) std::memcpy(y + row * k, b, k * sizeof(float));
  }
  multiply('N', 'T', n, k, c, read<float>(call.in(0)), c, read<float>(call.in(1)), c, bias ? 1.0f : 0.0f, y);
}

void dgrad(const Call& call) {
  const int64_t n = call.in(0).shape[0], k = call.in(0).shape[1], c = call.in(1).shape[1];
  multiply('N', 'N', n, c, k, read<float>(call.in(0)), k, read<float>(call.in(1)), c, 0, write<float>(call.out(0)));
}

void wgrad(const Call& call) {
  const int64_t n = call.in(0).shape[0], c = call.in(0).shape[1], k = call.in(1).shape[1];
  multiply('T', 'N', k, c, n, read<float>(call.in(1)), k, read<float>(call.in(0)), c, 0, write<float>(call.out(0)));
}

void biasGrad(const Call& call) {
  const int64_t n = call.in(0).shape[0], k = call.in(0).shape[1];
  const float* dy = read<float>(call.in(0));
  float* db = write<float>(call.out(0));
#pragma omp parallel for schedule(static)
  for (int64_t column = 0; column < k; ++column) {
    double sum = 0;
    for (int64_t row = 0; row < n; ++row) sum += dy[row * k + column];
    db[column] = static_cast<float>(sum);
  }
}

const Register registerFprop("linear.fprop", fprop);
const Register registerDgrad("linear.dgrad", dgrad);
const Register registerWgrad("linear.wgrad", wgrad);
const Register registerBiasGrad("linear.biasGrad", biasGrad);

}  // namespace
}  // namespace spinegrad::cpu

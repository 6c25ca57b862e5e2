// Tensor cores: a warp multiplies a 16 x K tile by a K x 8 tile and adds the product to a 16 x 8 tile of float32. The
// tiles lie spread over the registers of the 32 lanes. With g = lane / 4 and t = lane % 4, a lane holds
//
//   C, D (float[4])        row g + 8 (i / 2), column 2 t + i % 2                      accumulatorRow(i),
//   accumulatorColumn(i) tf32, K = 8            a[i]: row g + 8 (i % 2), k = t + 4 (i / 2)                 one value a
//   register
//                          b[i]: k = t + 4 i, column g
//   bf16, K = 16           a[i]: row g + 8 (i % 2), k = 2 t + 8 (i / 2) and the next  two a register, the lower k low
//                          b[i]: k = 2 t + 8 i and the next, column g
//   f16, K = 8             a[i]: row g + 8 i, k = 2 t and the next; b[0]: k = 2 t and the next, column g
//
// ldmatrix reads N (1, 2, 4) matrices of 8 rows of 16 bytes from shared memory: lanes 8 j ... 8 j + 7 give the
// addresses of the rows of matrix j, and r[j] of a lane becomes the 4 bytes at row lane / 4, word lane % 4 of matrix j.
// So A (row major) and B (stored as columns, K contiguous) come as above, for 16-bit and for 32-bit types. The
// transposed form does so for 16-bit elements of matrices whose rows run the other way.
//
// A fragment of A against a row of B's, d[N] += a b[N], is N products to the tensor core and one meeting of the warp to
// the simulator, which is several times as fast there.
//
// tf32 and bf16 need sm_80, f16 runs on sm_75. Where an instruction is missing, the kernel traps: a launch must
// choose another one.
#pragma once

#include "kernels/lib/kernel.cuh"

namespace spinegrad {

__device__ __forceinline__ int accumulatorRow(int i) { return laneId() / 4 + 8 * (i / 2); }
__device__ __forceinline__ int accumulatorColumn(int i) { return laneId() % 4 * 2 + i % 2; }

__device__ __forceinline__ float fromBf16(uint16_t bits) { return __uint_as_float(uint32_t(bits) << 16); }

#if defined(__CUDACC__)

#if __CUDA_ARCH__ >= 800
#define SPINEGRAD_SM80(...) asm volatile(__VA_ARGS__)
#else
#define SPINEGRAD_SM80(...) __trap()
#endif

/// Rounds to the 10 bits of mantissa that tf32 keeps, ties away from zero; the tensor core itself would cut them off.
__device__ __forceinline__ uint32_t toTf32(float x) {
  uint32_t bits = 0;
#if __CUDA_ARCH__ >= 800
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(x));
#else
  __trap();
#endif
  return bits;
}

/// Two floats rounded to nearest even, `low` in the lower half.
__device__ __forceinline__ uint32_t packBf16(float low, float high) {
  uint32_t bits = 0;
#if __CUDA_ARCH__ >= 800
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(bits) : "f"(high), "f"(low));
#else
  __trap();
#endif
  return bits;
}
__device__ __forceinline__ uint32_t packF16(float low, float high) {
  uint32_t bits;
  asm("{.reg .f16 l, h; cvt.rn.f16.f32 l, %1; cvt.rn.f16.f32 h, %2; mov.b32 %0, {l, h};}"
      : "=r"(bits)
      : "f"(low), "f"(high));
  return bits;
}

__device__ __forceinline__ void mmaTf32(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  SPINEGRAD_SM80(
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
__device__ __forceinline__ void mmaBf16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  SPINEGRAD_SM80(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
__device__ __forceinline__ void mmaF16(float (&d)[4], const uint32_t (&a)[2], const uint32_t (&b)[1]) {
  asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5}, {%6}, {%0,%1,%2,%3};"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
               : "r"(a[0]), "r"(a[1]), "r"(b[0]));
}

#undef SPINEGRAD_SM80

template <int N>
__device__ __forceinline__ void mmaTf32(float (&d)[N][4], const uint32_t (&a)[4], const uint32_t (&b)[N][2]) {
#pragma unroll
  for (int i = 0; i < N; ++i) mmaTf32(d[i], a, b[i]);
}
template <int N>
__device__ __forceinline__ void mmaBf16(float (&d)[N][4], const uint32_t (&a)[4], const uint32_t (&b)[N][2]) {
#pragma unroll
  for (int i = 0; i < N; ++i) mmaBf16(d[i], a, b[i]);
}
template <int N>
__device__ __forceinline__ void mmaF16(float (&d)[N][4], const uint32_t (&a)[2], const uint32_t (&b)[N][1]) {
#pragma unroll
  for (int i = 0; i < N; ++i) mmaF16(d[i], a, b[i]);
}

namespace detail {
__device__ __forceinline__ uint32_t matrixRow(const void* row) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(row));
}
}  // namespace detail

__device__ __forceinline__ void ldmatrix(uint32_t (&r)[1], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%0}, [%1];" : "=r"(r[0]) : "r"(detail::matrixRow(row)));
}
__device__ __forceinline__ void ldmatrix(uint32_t (&r)[2], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0,%1}, [%2];"
               : "=r"(r[0]), "=r"(r[1])
               : "r"(detail::matrixRow(row)));
}
__device__ __forceinline__ void ldmatrix(uint32_t (&r)[4], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(detail::matrixRow(row)));
}
__device__ __forceinline__ void ldmatrixTransposed(uint32_t (&r)[1], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x1.trans.shared.b16 {%0}, [%1];" : "=r"(r[0]) : "r"(detail::matrixRow(row)));
}
__device__ __forceinline__ void ldmatrixTransposed(uint32_t (&r)[2], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0,%1}, [%2];"
               : "=r"(r[0]), "=r"(r[1])
               : "r"(detail::matrixRow(row)));
}
__device__ __forceinline__ void ldmatrixTransposed(uint32_t (&r)[4], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(detail::matrixRow(row)));
}

#endif

}  // namespace spinegrad

// Tensor cores: a warp computes D = A B + C with tiles A (16 x K), B (K x 8) and C, D (16 x 8, float32), distributed
// over the registers of its lanes. With g = lane / 4 and t = lane % 4, a lane holds
//
//   C, D (float[4])   row g + 8 (i / 2), column 2 t + i % 2: accumulatorRow(i), accumulatorColumn(i)
//   tf32, K = 8       a[i]: row g + 8 (i % 2), k = t + 4 (i / 2)             b[i]: k = t + 4 i, column g
//   bf16, K = 16      a[i]: row g + 8 (i % 2), k = 2 t + 8 (i / 2) and k + 1 b[i]: k = 2 t + 8 i and k + 1, column g
//   f16, K = 8        a[i]: row g + 8 i, k = 2 t and k + 1                   b[0]: k = 2 t and k + 1, column g
//
// Two 16-bit values share a register, the lower k in the lower half. tf32 and bf16 need sm_80, f16 needs sm_75; a
// kernel traps on an architecture without the instruction.
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

/// Rounds to the 10 mantissa bits of tf32, ties away from zero. The tensor core itself truncates.
__device__ __forceinline__ uint32_t toTf32(float x) {
  uint32_t bits = 0;
#if __CUDA_ARCH__ >= 800
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(x));
#else
  __trap();
#endif
  return bits;
}

/// Rounds two floats to nearest even, `low` in the lower half.
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

/// One fragment of A times N fragments of B.
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

/// Loads N = 1, 2 or 4 matrices of 8 rows of 16 bytes from shared memory. Lanes 8 j ... 8 j + 7 pass the addresses of
/// the rows of matrix j, and a lane receives in r[j] the 4 bytes at row lane / 4, word lane % 4 of matrix j. Row-major
/// A, and B stored as columns, get the distribution above, for 16-bit and 32-bit types. ldmatrixTransposed() does the
/// same for 16-bit matrices that are stored transposed.
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

// Elementwise operations: one functor each, for all backends, and the lists of their names.
//
// `value` is y = f(x) or y = f(a, b). `gradient` is dx, from dy and from x or y, whichever TypeScript saved for it
// (ts/engine/ops/elementwise.ts). `Math` has the exp of the backend.
#pragma once

#if defined(__CUDACC__)
#define SPINEGRAD_ELEMENTWISE __host__ __device__ __forceinline__ static float
#else
#define SPINEGRAD_ELEMENTWISE __attribute__((always_inline)) static inline float
#endif

namespace spinegrad {

/// NaN stays NaN. `saved` is y.
template <class Math>
struct Relu {
  SPINEGRAD_ELEMENTWISE value(float x) { return x < 0.0f ? 0.0f : x; }
  SPINEGRAD_ELEMENTWISE gradient(float saved, float dy) { return saved > 0.0f ? dy : 0.0f; }
};

/// exp of -|x| cannot overflow. `saved` is y.
template <class Math>
struct Sigmoid {
  SPINEGRAD_ELEMENTWISE value(float x) {
    const float e = Math::exp(x < 0.0f ? x : -x), p = 1.0f / (1.0f + e);
    return x < 0.0f ? e * p : p;
  }
  SPINEGRAD_ELEMENTWISE gradient(float saved, float dy) { return dy * saved * (1.0f - saved); }
};

template <class Math>
struct Add {
  SPINEGRAD_ELEMENTWISE value(float a, float b) { return a + b; }
};

template <class Math>
struct Mul {
  SPINEGRAD_ELEMENTWISE value(float a, float b) { return a * b; }
};

}  // namespace spinegrad

#define SPINEGRAD_UNARY_OPERATIONS(OPERATION) OPERATION(relu, Relu) OPERATION(sigmoid, Sigmoid)
#define SPINEGRAD_BINARY_OPERATIONS(OPERATION) OPERATION(add, Add) OPERATION(mul, Mul)

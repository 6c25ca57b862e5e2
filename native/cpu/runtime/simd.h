// SPINEGRAD_SIMD compiles a function for AVX-512, AVX2 and the baseline; the loader selects the best clone that the
// processor supports. It marks leaf loops over contiguous values: free functions of plain pointers, called from a
// parallel loop.
#pragma once

#define SPINEGRAD_SIMD __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))

// Leaf loops run over contiguous values. Marked so, a loop is compiled for AVX-512, for AVX2 and for the baseline,
// and the fastest that the processor has is chosen when the addon loads. A leaf is a free function that takes plain
// pointers; the parallel loop around it stays in the caller.
#pragma once

#define SPINEGRAD_SIMD __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))

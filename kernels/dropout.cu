// dropout: y = x / (1 - p) if a uniform number of (seed, step, element) is >= p, else 0. Elements are numbered
// row-major in groups of 1024, and a group uses 256 Philox blocks: element 1024 g + 256 j + i takes word j of block 256
// g + i. A thread computes one block for its four elements, and neighboring threads access neighboring addresses.
// Bound by memory on all but the smallest GPUs: the ten rounds of Philox cost about 25 integer multiplications per
// element.
#include "kernels/lib/kernel.cuh"
#include "native/engine/philox.h"

SPINEGRAD_KERNEL(dropout_forward, 256,
                 (const float* x, float* y, int64_t count, int32_t seed, int32_t step, float probability,
                  float scale)) {
  const Philox philox{{static_cast<uint32_t>(seed), static_cast<uint32_t>(Purpose::dropout)}};
  const int64_t blocks = ceilDivide<int64_t>(count, 1024) * 256;
  for (int64_t block = globalThread(); block < blocks; block += gridThreads()) {
    const Philox::Block words = philox(static_cast<uint32_t>(block), 0, static_cast<uint32_t>(step), 0);
    const int64_t first = block / 256 * 1024 + block % 256;
    for (int j = 0; j < 4; ++j) {
      const int64_t i = first + 256 * j;
      if (i < count) y[i] = Philox::uniform(words.word[j]) >= probability ? x[i] * scale : 0.0f;
    }
  }
}

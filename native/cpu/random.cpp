#include "native/cpu/random.h"

#include "native/cpu/simd.h"

namespace spinegrad::cpu {
namespace {

SPINEGRAD_SIMD void wordRows(const Philox& philox, uint32_t first, uint32_t c1, uint32_t c2, uint32_t* words) {
#pragma omp simd
  for (uint32_t i = 0; i < blocksInGroup; ++i) {
    const Philox::Block block = philox(first + i, c1, c2, 0);
    words[i] = block.word[0];
    words[i + blocksInGroup] = block.word[1];
    words[i + 2 * blocksInGroup] = block.word[2];
    words[i + 3 * blocksInGroup] = block.word[3];
  }
}

}  // namespace

void randomWords(const Philox& philox, uint32_t group, uint32_t c1, uint32_t c2, WordGroup& words) {
  wordRows(philox, group * blocksInGroup, c1, c2, words.data());
}

}  // namespace spinegrad::cpu

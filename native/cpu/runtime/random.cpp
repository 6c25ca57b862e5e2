#include "native/cpu/runtime/random.h"

#include <immintrin.h>

namespace spinegrad::cpu {
namespace {

__attribute__((target("default"))) void wordRows(const Philox& philox, uint32_t first, uint32_t c1, uint32_t c2,
                                                 uint32_t* words) {
  for (uint32_t i = 0; i < blocksInGroup; ++i) {
    const Philox::Block block = philox(first + i, c1, c2, 0);
    for (uint32_t word = 0; word < 4; ++word) words[word * blocksInGroup + i] = block.word[word];
  }
}

/// The state is in the lower halves of 64-bit lanes, which the 32 x 32 bit product reads and writes; the upper halves
/// are ignored. Even and odd blocks are in separate vectors, so that their words interleave without a permutation.
__attribute__((target("arch=x86-64-v3"))) void wordRows(const Philox& philox, uint32_t first, uint32_t c1, uint32_t c2,
                                                        uint32_t* words) {
  typedef uint64_t Four __attribute__((vector_size(32)));
  const __m256i factor0 = _mm256_set1_epi64x(Philox::factor0), factor2 = _mm256_set1_epi64x(Philox::factor2);
  for (uint32_t i = 0; i < blocksInGroup; i += 8) {
    const Four zero = {}, even = Four{0, 2, 4, 6} + (first + i);
    Four state[2][4] = {{even, zero + c1, zero + c2, zero}, {even + 1, zero + c1, zero + c2, zero}};
    uint32_t k0 = philox.key[0], k1 = philox.key[1];
#pragma GCC unroll 10
    for (int round = 0; round < Philox::rounds; ++round) {
#pragma GCC unroll 2
      for (Four(&c)[4] : state) {
        const Four p0 = reinterpret_cast<Four>(_mm256_mul_epu32(reinterpret_cast<__m256i>(c[0]), factor0)),
                   p1 = reinterpret_cast<Four>(_mm256_mul_epu32(reinterpret_cast<__m256i>(c[2]), factor2));
        c[0] = p1 >> 32 ^ c[1] ^ (zero + k0);
        c[2] = p0 >> 32 ^ c[3] ^ (zero + k1);
        c[1] = p1;
        c[3] = p0;
      }
      k0 += Philox::step0;
      k1 += Philox::step1;
    }
    for (uint32_t word = 0; word < 4; ++word) {
      const Four both = (state[0][word] & 0xFFFFFFFFu) | state[1][word] << 32;
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(words + word * blocksInGroup + i),
                          reinterpret_cast<__m256i>(both));
    }
  }
}

}  // namespace

void randomWords(const Philox& philox, uint32_t group, uint32_t c1, uint32_t c2, WordGroup& words) {
  wordRows(philox, group * blocksInGroup, c1, c2, words.data());
}

}  // namespace spinegrad::cpu

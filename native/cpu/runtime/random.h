// Philox words by the row: consecutive blocks of one stream, computed in the lanes of vector registers.
//
// Values that take one word each are counted in groups of 1024, made from 256 blocks: value 1024 g + 256 j + i takes
// word j of block 256 g + i. So blocks next to each other serve values next to each other.
#pragma once

#include <array>
#include <cstdint>

#include "native/engine/philox.h"

namespace spinegrad::cpu {

constexpr uint32_t blocksInGroup = 256;
using WordGroup = std::array<uint32_t, 4 * blocksInGroup>;

/// The words of group `group`, of which block b stands at the counter (b, c1, c2, 0).
void randomWords(const Philox& philox, uint32_t group, uint32_t c1, uint32_t c2, WordGroup& words);

}  // namespace spinegrad::cpu

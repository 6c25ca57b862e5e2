// Philox words of consecutive counters, computed in vector registers.
//
// An operation that uses one word per value numbers its values in groups of 1024, from 256 Philox blocks: value
// 1024 g + 256 j + i uses word j of block 256 g + i. Adjacent values thus use adjacent blocks.
#pragma once

#include <array>
#include <cstdint>

#include "native/engine/philox.h"

namespace spinegrad::cpu {

constexpr uint32_t blocksInGroup = 256;
using WordGroup = std::array<uint32_t, 4 * blocksInGroup>;

/// The words of group `group`. Block b has the counter (b, c1, c2, 0).
void randomWords(const Philox& philox, uint32_t group, uint32_t c1, uint32_t c2, WordGroup& words);

}  // namespace spinegrad::cpu

// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011): random numbers as a pure
// function of a counter and a key. spinegrad keys a stream by (seed, purpose) and counts by (index, sample, step, 0),
// so any thread of any backend can make any number of the stream, and all agree bit for bit.
#pragma once

#include <cstdint>

#if defined(__CUDACC__)
#define SPINEGRAD_HOST_DEVICE __host__ __device__
#else
#define SPINEGRAD_HOST_DEVICE
#endif

namespace spinegrad {

struct Philox {
  static constexpr int rounds = 10;
  /// Multipliers of words 0 and 2, and increments of the key, per round.
  static constexpr uint32_t factor0 = 0xD2511F53u, factor2 = 0xCD9E8D57u, step0 = 0x9E3779B9u, step1 = 0xBB67AE85u;

  uint32_t key[2];

  struct Block {
    uint32_t word[4];
  };

  SPINEGRAD_HOST_DEVICE Block operator()(uint32_t c0, uint32_t c1, uint32_t c2, uint32_t c3) const {
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < rounds; ++round) {
      const uint64_t p0 = static_cast<uint64_t>(factor0) * c0, p1 = static_cast<uint64_t>(factor2) * c2;
      const uint32_t n0 = static_cast<uint32_t>(p1 >> 32) ^ c1 ^ k0, n2 = static_cast<uint32_t>(p0 >> 32) ^ c3 ^ k1;
      c1 = static_cast<uint32_t>(p1);
      c3 = static_cast<uint32_t>(p0);
      c0 = n0;
      c2 = n2;
      k0 += step0;
      k1 += step1;
    }
    return {{c0, c1, c2, c3}};
  }

  /// Uniform in [0, 1): the upper 24 bits, so that the float is exact and never 1.
  SPINEGRAD_HOST_DEVICE static float uniform(uint32_t word) {
    return static_cast<float>(word >> 8) * (1.0f / 16777216.0f);
  }
};

/// The purpose of a stream is the second word of its key. Never reuse a number: runs depend on it.
enum class Purpose : uint32_t { dropout = 1, augmentView = 2, augmentNoise = 3 };

}  // namespace spinegrad

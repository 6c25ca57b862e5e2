// Tensor cores: the last lane of a warp gathers the tiles from the registers of all lanes (kernels/lib/mma.cuh),
// multiplies them and scatters the result. Operands have the precision of the hardware (tf32: the upper 19 bits; bf16,
// f16: exact in float). Products are added in float32 in the order of k, so rounding differs from hardware.
#include <immintrin.h>

#include "simulator/block.h"
#include "simulator/checker.h"
#include "simulator/counters.h"
#include "simulator/report.h"

namespace spinegrad::simulator {
namespace {

using Row = float __attribute__((vector_size(32)));

void requireFullWarp(const char* what, uint32_t lanes, Site site) {
  if (lanes == allLanes) return;
  report(format("%s by an incomplete warp (mask %08x) at %s; %s", what, lanes, format(site).c_str(),
                block->where().c_str()));
  block->abandon();
}

float fromTf32(uint32_t bits) { return __builtin_bit_cast(float, bits & 0xffffe000u); }
float fromBf16(uint32_t bits) { return __builtin_bit_cast(float, bits << 16); }
float fromF16(uint32_t bits) { return _cvtsh_ss(static_cast<unsigned short>(bits)); }

/// D (16 x 8) += A (16 x K) B (K x 8) for one A and the B and D of each product. `Format` gathers the registers of a
/// lane into a tile.
template <class Format>
void runMma(void* const* operands, uint32_t lanes, Site site) {
  requireFullWarp("mma", lanes, site);
  constexpr int K = Format::k;
  float a[16][K];
  for (int lane = 0; lane < 32; ++lane)
    Format::gatherA(static_cast<const Mma*>(operands[lane])->a, a, lane / 4, lane % 4);
  const int products = static_cast<const Mma*>(operands[0])->products;
  for (int product = 0; product < products; ++product) {
    Row b[K], d[16];
    for (int lane = 0; lane < 32; ++lane) {
      const Mma& mma = *static_cast<const Mma*>(operands[lane]);
      const int g = lane / 4, t = lane % 4;
      const float* const from = mma.d + 4 * product;
      Format::gatherB(mma.b + Format::registersB * product, b, g, t);
      for (int i = 0; i < 4; ++i) d[g + 8 * (i / 2)][2 * t + i % 2] = from[i];
    }
    for (int row = 0; row < 16; ++row) {
      Row sum = d[row];
      for (int k = 0; k < K; ++k) sum += a[row][k] * b[k];
      d[row] = sum;
    }
    for (int lane = 0; lane < 32; ++lane) {
      float* const to = static_cast<const Mma*>(operands[lane])->d + 4 * product;
      for (int i = 0; i < 4; ++i) to[i] = d[lane / 4 + 8 * (i / 2)][2 * (lane % 4) + i % 2];
    }
  }
}

struct Tf32 {
  static constexpr int k = 8, registersB = 2;

  static void gatherA(const uint32_t* from, float (*a)[k], int g, int t) {
    for (int i = 0; i < 4; ++i) a[g + 8 * (i % 2)][t + 4 * (i / 2)] = fromTf32(from[i]);
  }
  static void gatherB(const uint32_t* from, Row* b, int g, int t) {
    for (int i = 0; i < 2; ++i) b[t + 4 * i][g] = fromTf32(from[i]);
  }
};

struct Bf16 {
  static constexpr int k = 16, registersB = 2;

  static void gatherA(const uint32_t* from, float (*a)[k], int g, int t) {
    for (int i = 0; i < 4; ++i)
      for (int half = 0; half < 2; ++half)
        a[g + 8 * (i % 2)][2 * t + 8 * (i / 2) + half] = fromBf16(from[i] >> 16 * half & 0xffff);
  }
  static void gatherB(const uint32_t* from, Row* b, int g, int t) {
    for (int i = 0; i < 2; ++i)
      for (int half = 0; half < 2; ++half) b[2 * t + 8 * i + half][g] = fromBf16(from[i] >> 16 * half & 0xffff);
  }
};

struct F16 {
  static constexpr int k = 8, registersB = 1;

  static void gatherA(const uint32_t* from, float (*a)[k], int g, int t) {
    for (int i = 0; i < 2; ++i)
      for (int half = 0; half < 2; ++half) a[g + 8 * i][2 * t + half] = fromF16(from[i] >> 16 * half & 0xffff);
  }
  static void gatherB(const uint32_t* from, Row* b, int g, int t) {
    for (int half = 0; half < 2; ++half) b[2 * t + half][g] = fromF16(from[0] >> 16 * half & 0xffff);
  }
};

template <int matrices, bool transposed>
void runLdmatrix(void* const* operands, uint32_t lanes, Site site) {
  requireFullWarp("ldmatrix", lanes, site);
  for (int matrix = 0; matrix < matrices; ++matrix) {
    uint16_t rows[8][8];
    for (int row = 0; row < 8; ++row) {
      const void* const from = static_cast<const Ldmatrix*>(operands[8 * matrix + row])->row;
      if (!block->sharedMemory().contains(from) || reinterpret_cast<uintptr_t>(from) % 16) {
        report(format("ldmatrix: lane %d passes %p, expected a multiple of 16 in shared memory, at %s; %s",
                      8 * matrix + row, from, format(site).c_str(), block->where().c_str()));
        block->abandon();
      }
      memcpy(rows[row], from, 16);
      counters::access(counters::ldmatrixRow, 8 * matrix + row, from, 16, checker::at(site));
      // The checker attributes a read to the lane that receives the element.
      for (int i = 0; checker::present && i < 8; ++i) {
        const int reader = transposed ? 4 * i + row / 2 : 4 * row + i / 2;
        checker::accessOf(reader, checker::Access::read, static_cast<const uint16_t*>(from) + i, 2, checker::at(site));
      }
    }
    for (int lane = 0; lane < 32; ++lane) {
      const int g = lane / 4, t = lane % 4;
      const uint32_t low = transposed ? rows[2 * t][g] : rows[g][2 * t];
      const uint32_t high = transposed ? rows[2 * t + 1][g] : rows[g][2 * t + 1];
      static_cast<const Ldmatrix*>(operands[lane])->registers[matrix] = low | high << 16;
    }
  }
}

}  // namespace

const Collective mmaTf32{"mma", runMma<Tf32>}, mmaBf16{"mma", runMma<Bf16>}, mmaF16{"mma", runMma<F16>};
const Collective ldmatrix[3]{
    {"ldmatrix", runLdmatrix<1, false>}, {"ldmatrix", runLdmatrix<2, false>}, {"ldmatrix", runLdmatrix<4, false>}};
const Collective ldmatrixTransposed[3]{
    {"ldmatrix", runLdmatrix<1, true>}, {"ldmatrix", runLdmatrix<2, true>}, {"ldmatrix", runLdmatrix<4, true>}};

uint32_t toF16(float x) { return _cvtss_sh(x, _MM_FROUND_TO_NEAREST_INT); }

}  // namespace spinegrad::simulator

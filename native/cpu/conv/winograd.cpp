#include "native/cpu/conv/winograd.h"

#include <omp.h>

#include <algorithm>

#include "native/cpu/runtime/memory.h"

namespace spinegrad::cpu {

int64_t Winograd::tiles() const { return images * tilesDown * tilesAcross; }
int64_t Winograd::positions() const { return points * points; }
int64_t Winograd::filterPositions() const { return filters * filters; }
int64_t Winograd::xPanels() const { return (xBlocks + 1) / 2; }
int64_t Winograd::yPanels() const { return (yBlocks + 1) / 2; }
int64_t Winograd::blocks() const { return (tiles() + blockTiles - 1) / blockTiles; }
int64_t Winograd::xStride() const { return xPanels() * 2 * lanes * blockTiles + 16; }
int64_t Winograd::yStride() const { return yPanels() * 2 * lanes * blockTiles + 16; }
int64_t Winograd::tilesStride() const { return std::max(xStride(), yStride()); }
int64_t Winograd::filterStride() const { return xPanels() * yPanels() * 4 * lanes * lanes + 16; }
int64_t Winograd::tilePanelStride() const { return 2 * lanes * blockTiles + 16; }
int64_t Winograd::filterPanelStride() const { return xPanels() * 4 * lanes * lanes + 16; }
int64_t Winograd::filterPairStride() const { return 4 * lanes * lanes + 16; }

bool Winograd::filtersFirst() const {
  return filterPositions() * xBlocks * yBlocks * lanes > positions() * tiles() * (xBlocks + yBlocks);
}

int64_t Winograd::fpropScratch(int64_t threads) const {
  if (filtersFirst()) {
    return xStride() * positions() +
           threads * (filterPanelStride() * filterPositions() + tilePanelStride() * positions());
  }
  return filterStride() * filterPositions() + threads * tilesStride() * (positions() + 1);
}

int64_t Winograd::wgradScratch(int64_t threads) const {
  return (xStride() + yStride()) * positions() +
         (filtersFirst() ? threads * filterPairStride() : filterStride()) * filterPositions();
}

namespace {

/// A processor without AVX2 has no kernels here.
const WinogradKernels* kernels() {
  if (channelBlock() == 16) return &winograd16;
  static const bool avx2 = dnnl::get_effective_cpu_isa() >= dnnl::cpu_isa::avx2;
  return avx2 ? &winograd8 : nullptr;
}

constexpr int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

/// Sides of a tile, as in winogradTransforms.h.
struct Tile {
  Transforms transforms;
  int64_t outputs, points, filters;
  int64_t fewest;  ///< tiles with which it pays

  int64_t down(const Shape& images) const { return ceilDiv(images[2], outputs); }
  int64_t across(const Shape& images) const { return ceilDiv(images[3], outputs); }
  int64_t multiplications(const Shape& images) const { return points * points * down(images) * across(images); }
};

constexpr Tile four{Transforms::F4x3, 4, 6, 6, 8}, three{Transforms::F3x3, 3, 5, 5, 16},
    strided{Transforms::F3x3Strided, 3, 7, 5, 32}, stridedBack{Transforms::F3x3StridedBack, 6, 7, 5, 32};

}  // namespace

// The tile is the one with fewer multiplications, edges that hang over included. Moving transformed data takes time
// too, so the algorithm has to save half of the direct method's multiplications (at stride 2 a third, of slower direct
// kernels), and to find enough tiles to be worth transforming the filters, which costs about as much as multiplying ten
// tiles.
std::optional<Winograd> planWinograd(const Shape& x, const Shape& y, const Shape& w, const Conv2dAttributes& attributes,
                                     bool turned) {
  const auto& [strideH, strideW, padH, padW, relu] = attributes;
  if (kernels() == nullptr || w[2] != 3 || w[3] != 3 || strideH != strideW || strideH > 2) return {};
  if (strideH == 2 ? padH != 1 || padW != 1 : padH > 2 || padW > 2) return {};
  if (std::min(x[1], y[1]) < 2 * channelBlock()) return {};
  const Shape &from = turned ? y : x, &to = turned ? x : y;
  const bool fours = four.multiplications(to) <= three.multiplications(to);
  const Tile& tile = strideH == 2 ? (turned ? stridedBack : strided) : fours ? four : three;
  const double worthwhile = strideH == 2 ? 2.0 / 3 : 1.0 / 2;
  if (tile.multiplications(to) > worthwhile * 9 * y[2] * y[3]) return {};
  const auto padding = [&](int64_t pad) { return !turned ? pad : strideH == 2 ? 0 : 2 - pad; };
  const Winograd plan{.transforms = tile.transforms,
                      .outputs = tile.outputs,
                      .points = tile.points,
                      .filters = tile.filters,
                      .images = x[0],
                      .padH = padding(padH),
                      .padW = padding(padW),
                      .xHeight = from[2],
                      .xWidth = from[3],
                      .xBlocks = ceilDiv(from[1], channelBlock()),
                      .yHeight = to[2],
                      .yWidth = to[3],
                      .yBlocks = ceilDiv(to[1], channelBlock()),
                      .tilesDown = tile.down(to),
                      .tilesAcross = tile.across(to),
                      .lanes = channelBlock(),
                      .blockTiles = 0};
  return plan.tiles() < tile.fewest ? std::nullopt : std::optional(plan);
}

void winogradConvolve(Winograd plan, const float* x, const float* weights, bool turned, const Epilogue& epilogue,
                      float* y) {
  plan.blockTiles = plan.filtersFirst() ? plan.tiles() : std::min<int64_t>(12, plan.tiles());
  const Workspace<float> scratch(plan.fpropScratch(omp_get_max_threads()));
  kernels()->fprop(plan, x, weights, turned, epilogue, scratch.data(), y);
}

void winogradFilterGradient(Winograd plan, const float* x, const float* dy, float* dw) {
  plan.blockTiles = plan.filtersFirst() ? plan.tiles() : std::min<int64_t>(96, plan.tiles());
  const Workspace<float> scratch(plan.wgradScratch(omp_get_max_threads()));
  kernels()->wgrad(plan, x, dy, scratch.data(), dw);
}

}  // namespace spinegrad::cpu

#include "native/cpu/winograd.h"

#include <omp.h>

#include <algorithm>

#include "native/cpu/memory.h"

namespace spinegrad::cpu {

int64_t Winograd::tiles() const { return images * tilesDown * tilesAcross; }
int64_t Winograd::positions() const { return (outputs + 2) * (outputs + 2); }
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

bool Winograd::filtersFirst() const { return xBlocks * yBlocks * lanes > tiles() * (xBlocks + yBlocks); }

int64_t Winograd::fpropScratch(int64_t threads) const {
  if (filtersFirst()) return (xStride() + threads * (filterPanelStride() + tilePanelStride())) * positions();
  return filterStride() * positions() + threads * tilesStride() * (positions() + 1);
}

int64_t Winograd::wgradScratch(int64_t threads) const {
  return (xStride() + yStride() + (filtersFirst() ? threads * filterPairStride() : filterStride())) * positions();
}

namespace {

/// A processor without AVX2 has no kernels here.
const WinogradKernels* kernels() {
  if (channelBlock() == 16) return &winograd16;
  static const bool avx2 = dnnl::get_effective_cpu_isa() >= dnnl::cpu_isa::avx2;
  return avx2 ? &winograd8 : nullptr;
}

constexpr int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

}  // namespace

// The tile is the one with fewer multiplications, edges that hang over included. Moving transformed data takes time
// too, so the algorithm has to save half of the direct method's multiplications, and to find enough tiles that reading
// the transformed filters, up to four times their size, is shared out.
std::optional<Winograd> planWinograd(const Shape& x, const Shape& y, const Shape& w,
                                     const Conv2dAttributes& attributes) {
  const auto& [strideH, strideW, padH, padW] = attributes;
  if (kernels() == nullptr || w[2] != 3 || w[3] != 3 || strideH != 1 || strideW != 1) return {};
  if (padH < 0 || padH > 2 || padW < 0 || padW > 2) return {};
  if (std::min(x[1], y[1]) < 2 * channelBlock()) return {};
  const auto multiplications = [&](int64_t m) { return (m + 2) * (m + 2) * ceilDiv(y[2], m) * ceilDiv(y[3], m); };
  const int64_t outputs = multiplications(4) <= multiplications(3) ? 4 : 3;
  if (2 * multiplications(outputs) > 9 * y[2] * y[3]) return {};
  const Winograd plan{.outputs = outputs,
                      .images = x[0],
                      .padH = padH,
                      .padW = padW,
                      .xHeight = x[2],
                      .xWidth = x[3],
                      .xBlocks = ceilDiv(x[1], channelBlock()),
                      .yHeight = y[2],
                      .yWidth = y[3],
                      .yBlocks = ceilDiv(y[1], channelBlock()),
                      .tilesDown = ceilDiv(y[2], outputs),
                      .tilesAcross = ceilDiv(y[3], outputs),
                      .lanes = channelBlock(),
                      .blockTiles = 0};
  return plan.tiles() < 32 ? std::nullopt : std::optional(plan);
}

void winogradConvolve(Winograd plan, const float* x, const float* weights, bool turned, const float* bias, float* y) {
  plan.blockTiles = plan.filtersFirst() ? plan.tiles() : std::min<int64_t>(12, plan.tiles());
  const Workspace<float> scratch(plan.fpropScratch(omp_get_max_threads()));
  kernels()->fprop(plan, x, weights, turned, bias, scratch.data(), y);
}

void winogradFilterGradient(Winograd plan, const float* x, const float* dy, float* dw) {
  plan.blockTiles = plan.filtersFirst() ? plan.tiles() : std::min<int64_t>(192, plan.tiles());
  const Workspace<float> scratch(plan.wgradScratch(omp_get_max_threads()));
  kernels()->wgrad(plan, x, dy, scratch.data(), dw);
}

}  // namespace spinegrad::cpu

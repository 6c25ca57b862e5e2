#include <omp.h>

#include <algorithm>
#include <optional>

#include "native/cpu/conv/convolution.h"
#include "native/cpu/conv/operands.h"
#include "native/cpu/conv/winogradKernels.h"
#include "native/cpu/conv/winogradTransforms.h"
#include "native/cpu/runtime/memory.h"

namespace spinegrad::cpu {

int64_t WinogradPlan::tiles() const { return images * tilesDown * tilesAcross; }
int64_t WinogradPlan::positions() const { return points * points; }
int64_t WinogradPlan::filterPositions() const { return filters * filters; }
int64_t WinogradPlan::xPanels() const { return (x.blocks + 1) / 2; }
int64_t WinogradPlan::yPanels() const { return (y.blocks + 1) / 2; }
int64_t WinogradPlan::blocks() const { return (tiles() + blockTiles - 1) / blockTiles; }
int64_t WinogradPlan::xStride() const { return xPanels() * 2 * lanes * blockTiles + 16; }
int64_t WinogradPlan::yStride() const { return yPanels() * 2 * lanes * blockTiles + 16; }
int64_t WinogradPlan::tilesStride() const { return std::max(xStride(), yStride()); }
int64_t WinogradPlan::filterStride() const { return xPanels() * yPanels() * 4 * lanes * lanes + 16; }
int64_t WinogradPlan::tilePanelStride() const { return 2 * lanes * blockTiles + 16; }
int64_t WinogradPlan::filterPanelStride() const { return xPanels() * 4 * lanes * lanes + 16; }
int64_t WinogradPlan::filterPairStride() const { return 4 * lanes * lanes + 16; }

bool WinogradPlan::byFilters() const {
  return filterPositions() * x.blocks * y.blocks * lanes > positions() * tiles() * (x.blocks + y.blocks);
}

int64_t WinogradPlan::fpropScratch(int64_t threads) const {
  if (byFilters()) {
    return xStride() * positions() +
           threads * (filterPanelStride() * filterPositions() + tilePanelStride() * positions());
  }
  return filterStride() * filterPositions() + threads * tilesStride() * (positions() + 1);
}

int64_t WinogradPlan::wgradScratch(int64_t threads) const {
  return (xStride() + yStride()) * positions() +
         (byFilters() ? threads * filterPairStride() : filterStride()) * filterPositions();
}

namespace winograd {
namespace {

/// Null if the processor has no AVX2.
const WinogradKernels* kernels() {
  if (vectorLanes() == 16) return &winograd16;
  static const bool avx2 = dnnl::get_effective_cpu_isa() >= dnnl::cpu_isa::avx2;
  return avx2 ? &winograd8 : nullptr;
}

constexpr int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

/// One of the transforms, with the number of tiles from which it is faster than the direct method.
struct Variant {
  WinogradTransforms transforms;
  int64_t outputs, points, filters, minTiles;

  int64_t multiplications(const Shape& y) const {
    return points * points * ceilDiv(y[2], outputs) * ceilDiv(y[3], outputs);
  }
};

template <class F>
constexpr Variant variantOf(WinogradTransforms transforms, int64_t minTiles) {
  return {transforms, F::outputs, F::points, F::filters, minTiles};
}

constexpr Variant f4x3 = variantOf<F4x3<float>>(WinogradTransforms::F4x3, 8),
                  f3x3 = variantOf<F3x3<float>>(WinogradTransforms::F3x3, 16),
                  strided = variantOf<F3x3Strided<float>>(WinogradTransforms::F3x3Strided, 32),
                  stridedDgrad = variantOf<F3x3StridedDgrad<float>>(WinogradTransforms::F3x3StridedDgrad, 32);

/// The plan without `blockTiles`, or nothing if another algorithm is faster or the shape is not supported.
///
/// At stride 1 the variant with fewer multiplications is used, counting those of tiles that overhang the image. Moving
/// transformed data takes time too, so at most half of the direct method's multiplications may remain (at stride 2 two
/// thirds, because the direct kernels are slower there). Transforming the filters costs about as much as multiplying
/// ten tiles, so small problems are left to other algorithms.
std::optional<WinogradPlan> planOf(const ConvProblem& problem, ConvPass pass) {
  const auto& [N, C, H, W, K, R, S, P, Q, strideH, strideW, padH, padW] = problem;
  if (kernels() == nullptr || R != 3 || S != 3 || strideH != strideW || strideH > 2) return {};
  if (strideH == 2 ? padH != 1 || padW != 1 : padH > 2 || padW > 2) return {};
  if (std::min(C, K) < 2 * vectorLanes()) return {};
  const bool dgrad = pass == ConvPass::dgrad;
  const Shape from = dgrad ? problem.y() : problem.x(), to = dgrad ? problem.x() : problem.y();
  const Variant& unitStride = f4x3.multiplications(to) <= f3x3.multiplications(to) ? f4x3 : f3x3;
  const Variant& variant = strideH == 1 ? unitStride : dgrad ? stridedDgrad : strided;
  const double maxFraction = strideH == 1 ? 1.0 / 2 : 2.0 / 3;
  if (variant.multiplications(to) > maxFraction * 9 * P * Q) return {};
  const auto padding = [&](int64_t pad) { return !dgrad ? pad : strideH == 2 ? 0 : 2 - pad; };
  const auto blocked = [](const Shape& images) {
    return BlockedSize{.blocks = ceilDiv(images[1], vectorLanes()), .height = images[2], .width = images[3]};
  };
  const WinogradPlan plan{.transforms = variant.transforms,
                          .outputs = variant.outputs,
                          .points = variant.points,
                          .filters = variant.filters,
                          .rotatesFilters = dgrad,
                          .images = N,
                          .x = blocked(from),
                          .y = blocked(to),
                          .padH = padding(padH),
                          .padW = padding(padW),
                          .tilesDown = ceilDiv(to[2], variant.outputs),
                          .tilesAcross = ceilDiv(to[3], variant.outputs),
                          .lanes = vectorLanes(),
                          .blockTiles = 0};
  return plan.tiles() < variant.minTiles ? std::nullopt : std::optional(plan);
}

/// fprop or dgrad.
void convolve(WinogradPlan plan, const float* x, const float* w, const Epilogue& epilogue, float* y) {
  plan.blockTiles = plan.byFilters() ? plan.tiles() : std::min<int64_t>(12, plan.tiles());
  const Workspace<float> scratch(plan.fpropScratch(omp_get_max_threads()));
  kernels()->fprop(plan, {x, w, epilogue, scratch.data(), y});
}

}  // namespace

bool takes(const ConvProblem& problem, ConvPass pass) { return planOf(problem, pass).has_value(); }

void fprop(const ConvProblem& problem, const FpropTensors& tensors) {
  const FpropOperands operands(tensors, channelBlocked(problem.x()), blockedFilters(problem));
  convolve(*planOf(problem, ConvPass::fprop), operands.x, operands.w, operands.epilogue, operands.y);
}

void dgrad(const ConvProblem& problem, Tensor& dy, Tensor& w, Tensor& dx) {
  std::optional<Workspace<float>> reordered;
  const float* filters = peek(w, blockedFilters(problem), reordered);
  const float* from = read(dy, channelBlocked(problem.y()));
  convolve(*planOf(problem, ConvPass::dgrad), from, filters, {}, write(dx, channelBlocked(problem.x())));
}

void wgrad(const ConvProblem& problem, Tensor& x, Tensor& dy, Tensor& dw) {
  WinogradPlan plan = *planOf(problem, ConvPass::wgrad);
  plan.blockTiles = plan.byFilters() ? plan.tiles() : std::min<int64_t>(96, plan.tiles());
  const Workspace<float> scratch(plan.wgradScratch(omp_get_max_threads()));
  const float* images = read(x, channelBlocked(problem.x()));
  const float* gradients = read(dy, channelBlocked(problem.y()));
  kernels()->wgrad(plan, {images, gradients, scratch.data(), write(dw, blockedFilters(problem))});
}

}  // namespace winograd
}  // namespace spinegrad::cpu

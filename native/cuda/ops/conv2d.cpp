// conv2d: selects the kernel of a pass.
//
//   kernels/conv2d.cu       tensor cores, three tile sizes, with or without split-K
//   kernels/conv2dStem.cu   images of at most four channels, row-major
//   kernels/conv2dPlain.cu  the rest: before sm_80, rows that are not a multiple of 16 bytes, very large tensors
//
// The choice depends on the shape but not on the number of multiprocessors, so all GPUs of an architecture give the
// same bits. For tuning, SPINEGRAD_CUDA_GEMM overrides it: `plain`, or a tile and optionally a number of splits, for
// example `128x64` or `64x64:4`. The precision of the tensor cores is that of the device.

#include "native/cuda/ops/conv2d.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string>
#include <string_view>

#include "kernels/gemm.h"
#include "native/cuda/runtime/device.h"
#include "native/cuda/runtime/launch.h"
#include "native/cuda/runtime/memory.h"
#include "native/engine/contracts.h"
#include "native/engine/error.h"

namespace spinegrad::cuda {
namespace {

int64_t inputElements(const Conv2dShape& s) { return int64_t{s.images} * s.height * s.width * s.channels; }
int64_t filterSize(const Conv2dShape& s) { return int64_t{s.kernelH} * s.kernelW * s.channels; }
int64_t filterElements(const Conv2dShape& s) { return s.filters * filterSize(s); }
int64_t outputRows(const Conv2dShape& s) { return int64_t{s.images} * s.outputH * s.outputW; }
int64_t outputElements(const Conv2dShape& s) { return outputRows(s) * s.outputChannels; }

int64_t ceilDivide(int64_t a, int64_t b) { return (a + b - 1) / b; }

/// The tile of a block, and the relative speed of such blocks: an estimate from the shared memory reads per product,
/// not measured.
struct GemmTile {
  const char* name;
  int64_t M, N;
  unsigned threads;
  int64_t warpM;
  double speed;
};
constexpr std::array<GemmTile, 3> tiles{
    {{"128x128", 128, 128, 256, 64, 1}, {"128x64", 128, 64, 128, 64, 0.9}, {"64x64", 64, 64, 128, 32, 0.75}}};

/// The value of SPINEGRAD_CUDA_GEMM.
struct GemmOverride {
  bool plain = false;
  const GemmTile* tile = nullptr;
  int64_t splitK = 0;
};

GemmOverride gemmOverride() {
  const std::string& variable = currentContext().settings().gemm;
  GemmOverride result;
  if (variable.empty()) return result;
  std::string_view rest = variable;
  const auto next = [&] {
    const std::string_view word = rest.substr(0, rest.find(':'));
    rest.remove_prefix(std::min(rest.size(), word.size() + 1));
    return word;
  };
  const std::string_view name = next();
  result.plain = name == "plain";
  bool valid = result.plain;
  if (!result.plain) {
    result.tile = std::find_if(tiles.begin(), tiles.end(), [&](const GemmTile& tile) { return tile.name == name; });
    valid = result.tile != tiles.end();
    if (const std::string_view splits = next(); !splits.empty()) {
      const auto [end, error] = std::from_chars(splits.begin(), splits.end(), result.splitK);
      valid = valid && error == std::errc() && end == splits.end() && result.splitK >= 1 && result.splitK <= 1024;
    }
  }
  if (!valid || !rest.empty()) {
    throw Error("ERR_ARGUMENT", "SPINEGRAD_CUDA_GEMM: found '" + variable +
                                    "', expected plain, or a tile (128x128, 128x64, 64x64) with an optional "
                                    "number of splits from 1 to 1024, for example 128x64:4");
  }
  return result;
}

bool fitsTensorCores(const Conv2dShape& s, const GemmOverride& requested) {
  constexpr int64_t maxElements = int64_t{1} << 30;  // offsets are int32
  constexpr int64_t maxPhases = 65535;               // limit of the grid's z
  return int64_t{s.strideH} * s.strideW <= maxPhases && !requested.plain && currentContext().architecture() >= 80 &&
         s.channels % 4 == 0 && s.outputChannels % 4 == 0 && inputElements(s) < maxElements &&
         filterElements(s) < maxElements && outputElements(s) < maxElements;
}

/// A GEMM, or one per phase of dgrad.
struct GemmProblem {
  int64_t M, N, K, phases;
};

struct GemmPlan {
  const GemmTile* tile;
  int64_t splitK;
  int32_t stepsPerSplit;
};

/// Chooses the tile with the highest estimated speed: the fraction of the tiles that is inside the matrix, times the
/// fraction of the device that the blocks fill. `targetBlocks` is two per multiprocessor of an H100. If the tiles are
/// too few, K is split. A split costs 8 more bytes of traffic per output, about the time of 256 values of K.
GemmPlan planGemm(const GemmProblem& problem, const GemmOverride& requested) {
  constexpr int64_t targetBlocks = 264, minStepsPerSplit = 16;
  constexpr double splitCost = 256;
  const int64_t steps = ceilDivide(problem.K, gemmTileK);
  GemmPlan best{};
  double bestScore = -1;
  for (const GemmTile& tile : tiles) {
    if (requested.tile != nullptr && requested.tile != &tile) continue;
    const int64_t tilesM = ceilDivide(problem.M, tile.M), tilesN = ceilDivide(problem.N, tile.N);
    const int64_t blocks = tilesM * tilesN * problem.phases;
    const int64_t maxSplits = std::max<int64_t>(1, steps / minStepsPerSplit);
    const int64_t targetSplits =
        requested.splitK > 0 ? requested.splitK : std::clamp<int64_t>(ceilDivide(targetBlocks, blocks), 1, maxSplits);
    const int64_t stepsPerSplit = std::max<int64_t>(1, ceilDivide(steps, targetSplits));
    const int64_t splitK = std::max<int64_t>(1, ceilDivide(steps, stepsPerSplit));
    const double tileUtilization =
        static_cast<double>(problem.M * problem.N) / static_cast<double>(tilesM * tile.M * tilesN * tile.N);
    const double deviceUtilization = std::min(1.0, static_cast<double>(blocks * splitK) / targetBlocks);
    const double K = static_cast<double>(problem.K);
    const double splitEfficiency = splitK == 1 ? 1 : K / (K + splitCost * static_cast<double>(splitK));
    const double score = tile.speed * tileUtilization * deviceUtilization * splitEfficiency;
    if (score > bestScore) {
      bestScore = score;
      best = {&tile, splitK, static_cast<int32_t>(stepsPerSplit)};
    }
  }
  return best;
}

void reduceSplits(const float* splits, const Conv2dEpilogue& epilogue, float* y, int64_t count, int64_t splitK,
                  int32_t pitch, int32_t filters) {
  launch("conv2d_add_parts", {blocksFor(count, 256)}, {256}, 0, splits, epilogue, y, count,
         static_cast<int32_t>(splitK), pitch, filters);
}

/// The kernels of a pass, in the order of `tiles`.
struct GemmKernels {
  std::array<const char*, 3> tf32, bf16;
};
#define SPINEGRAD_GEMM_KERNELS(pass)                                      \
  {                                                                       \
    {#pass "_tf32_128x128", #pass "_tf32_128x64", #pass "_tf32_64x64"}, { \
#pass "_bf16_128x128", #pass "_bf16_128x64", #pass "_bf16_64x64"    \
    }                                                                     \
  }
constexpr GemmKernels fpropKernels SPINEGRAD_GEMM_KERNELS(conv2d_fprop);
constexpr GemmKernels dgradKernels SPINEGRAD_GEMM_KERNELS(conv2d_dgrad);
constexpr GemmKernels wgradKernels SPINEGRAD_GEMM_KERNELS(conv2d_wgrad);
#undef SPINEGRAD_GEMM_KERNELS

/// Runs the kernel of a pass for a result of `count` elements. `launchPass(kernel, grid, block, shared bytes, epilogue,
/// result, steps)` launches the kernel; with split-K the splits go to a workspace and are reduced.
template <class LaunchPass>
void runGemm(const GemmKernels& kernels, const GemmProblem& problem, const GemmPlan& plan,
             const Conv2dEpilogue& epilogue, float* result, int64_t count, const Conv2dShape& shape,
             LaunchPass launchPass) {
  const GemmTile& tile = *plan.tile;
  const bool bf16 = currentContext().precision() == Precision::bf16;
  const char* const kernel = (bf16 ? kernels.bf16 : kernels.tf32)[static_cast<size_t>(&tile - tiles.data())];
  const int64_t blocks = ceilDivide(problem.M, tile.M) * ceilDivide(problem.N, tile.N);
  const Dim grid{static_cast<unsigned>(blocks), static_cast<unsigned>(plan.splitK),
                 static_cast<unsigned>(problem.phases)};
  const auto bytes = static_cast<size_t>((tile.M + tile.N) * gemmTileK * gemmStages) * sizeof(float);
  if (plan.splitK == 1) {
    launchPass(kernel, grid, Dim{tile.threads}, bytes, epilogue, result, plan.stepsPerSplit);
    return;
  }
  Workspace<float> splits(static_cast<size_t>(plan.splitK * count));
  launchPass(kernel, grid, Dim{tile.threads}, bytes, Conv2dEpilogue{}, splits.data(), plan.stepsPerSplit);
  reduceSplits(splits.data(), epilogue, result, count, plan.splitK, shape.outputChannels, shape.filters);
}

}  // namespace

std::unique_ptr<Statistics> conv2dFprop(const Conv2dShape& shape, const float* x, const float* w,
                                        const Conv2dEpilogue& epilogue, float* y, bool withStatistics) {
  const GemmOverride requested = gemmOverride();
  if (!fitsTensorCores(shape, requested)) {
    launch("conv2d_fprop_plain", {blocksFor(outputElements(shape), 256)}, {256}, 0, x, w, epilogue, y, shape);
    return nullptr;
  }
  const GemmProblem problem{outputRows(shape), shape.outputChannels, filterSize(shape), 1};
  const GemmPlan plan = planGemm(problem, requested);
  std::unique_ptr<Statistics> statistics;
  Conv2dEpilogue fullEpilogue = epilogue;
  if (withStatistics && plan.splitK == 1) {
    statistics = std::make_unique<Statistics>(ceilDivide(outputRows(shape), plan.tile->warpM), shape.outputChannels);
    fullEpilogue.statistics = statistics->view;
  }
  runGemm(fpropKernels, problem, plan, fullEpilogue, y, outputElements(shape), shape,
          [&](const char* kernel, Dim grid, Dim block, size_t bytes, const Conv2dEpilogue& kernelEpilogue, float* to,
              int32_t steps) { launch(kernel, grid, block, bytes, x, w, kernelEpilogue, to, shape, steps); });
  return statistics;
}

void conv2dDgrad(const Conv2dShape& shape, const float* dy, const float* w, float* dx) {
  const GemmOverride requested = gemmOverride();
  if (!fitsTensorCores(shape, requested)) {
    launch("conv2d_dgrad_plain", {blocksFor(inputElements(shape), 256)}, {256}, 0, dy, w, dx, shape);
    return;
  }
  const int64_t rows = shape.images * ceilDivide(shape.height, shape.strideH) * ceilDivide(shape.width, shape.strideW);
  const int64_t taps = ceilDivide(shape.kernelH, shape.strideH) * ceilDivide(shape.kernelW, shape.strideW);
  const GemmProblem problem{rows, shape.channels, taps * shape.outputChannels, int64_t{shape.strideH} * shape.strideW};
  runGemm(dgradKernels, problem, planGemm(problem, requested), {}, dx, inputElements(shape), shape,
          [&](const char* kernel, Dim grid, Dim block, size_t bytes, const Conv2dEpilogue&, float* to, int32_t steps) {
            launch(kernel, grid, block, bytes, dy, w, to, shape, steps);
          });
}

void conv2dWgrad(const Conv2dShape& shape, const float* x, const float* dy, float* dw) {
  const GemmOverride requested = gemmOverride();
  if (!fitsTensorCores(shape, requested)) {
    launch("conv2d_wgrad_plain", {blocksFor(filterElements(shape), 256)}, {256}, 0, x, dy, dw, shape);
    return;
  }
  const GemmProblem problem{shape.filters, filterSize(shape), outputRows(shape), 1};
  runGemm(wgradKernels, problem, planGemm(problem, requested), {}, dw, filterElements(shape), shape,
          [&](const char* kernel, Dim grid, Dim block, size_t bytes, const Conv2dEpilogue&, float* to, int32_t steps) {
            launch(kernel, grid, block, bytes, x, dy, to, shape, steps);
          });
}

void conv2dBiasGrad(const float* dy, int64_t rows, int64_t columns, int64_t pitch, float* db) {
  const int64_t chunks = ceilDivide(rows, conv2dBiasChunk);
  const auto filters = static_cast<int32_t>(columns), outputChannels = static_cast<int32_t>(pitch);
  Workspace<double> partials(static_cast<size_t>(chunks * columns));
  launch("conv2d_bias_pieces", {static_cast<unsigned>(chunks), static_cast<unsigned>(ceilDivide(columns, 32))}, {32, 8},
         0, dy, partials.data(), rows, filters, outputChannels);
  launch("conv2d_bias_total", {blocksFor(columns, 256)}, {256}, 0, partials.data(), db, chunks, filters);
}

namespace {

constexpr Layout channelsLast = Layout::channelsLast;

template <class Pass>
Conv2dShape shapeOf(const Pass& op, const Shape& x, const Shape& w, const Shape& y) {
  const auto narrow = [](int64_t size) { return static_cast<int32_t>(size); };
  return {narrow(x[0]),       narrow(x[2]),
          narrow(x[3]),       narrow(paddedChannels(x[1])),
          narrow(w[0]),       narrow(w[2]),
          narrow(w[3]),       narrow(y[2]),
          narrow(y[3]),       narrow(paddedChannels(y[1])),
          narrow(op.strideH), narrow(op.strideW),
          narrow(op.padH),    narrow(op.padW)};
}

/// A convolution as the kernels of the stem compute it.
struct Stem {
  Conv2dShape shape;
  StemWindow window;
  int32_t tiles;
  size_t windowBytes;

  size_t fpropBytes() const { return filterSize(shape) * stemFilterPitch * sizeof(float) + windowBytes; }
  size_t wgradBytes() const { return stemRows * stemColumns * stemFilters * sizeof(float) + windowBytes; }
};

/// Empty if they do not support it: more than four channels, or windows and filters that exceed shared memory.
std::optional<Stem> stemOf(const Conv2dShape& padded, int64_t channels) {
  constexpr size_t maxShared = 64 << 10;  // available on every architecture
  if (channels > 4 || gemmOverride().plain) return {};
  Stem stem{padded, {}, 0, 0};
  Conv2dShape& s = stem.shape;
  s.channels = static_cast<int32_t>(channels);
  const int64_t rows = (stemRows - 1) * int64_t{s.strideH} + s.kernelH;
  const int64_t columns = (stemColumns - 1) * int64_t{s.strideW} + s.kernelW;
  const int64_t count = s.images * ceilDivide(s.outputH, stemRows) * ceilDivide(s.outputW, stemColumns);
  stem.windowBytes = static_cast<size_t>(channels * rows * columns) * sizeof(float);
  if (std::max(stem.fpropBytes(), stem.wgradBytes()) > maxShared || count >= int64_t{1} << 31) return {};
  stem.window = {static_cast<int32_t>(rows), static_cast<int32_t>(columns)};
  stem.tiles = static_cast<int32_t>(count);
  return stem;
}

void fprop(const Conv2dFprop& op) {
  Tensor &x = op.x, &w = op.weight, &y = op.y;
  const Conv2dShape shape = shapeOf(op, x.shape, w.shape, y.shape);
  Tensor* const residual = op.residual;
  Conv2dEpilogue epilogue{.bias = op.bias != nullptr ? read<float>(*op.bias) : nullptr,
                          .residual = residual != nullptr ? read(*residual, channelsLast) : nullptr,
                          .relu = op.relu};
  const bool withStatistics = op.forBatchNorm && residual == nullptr && !op.relu;
  const bool residualIsInput = residual == &x || residual == &w;  // the stem needs x and w row-major
  const auto stem = residualIsInput ? std::nullopt : stemOf(shape, x.shape[1]);
  if (!stem) {
    float* const to = write(y, channelsLast);
    attach(y, conv2dFprop(shape, read(x, channelsLast), read(w, channelsLast), epilogue, to, withStatistics));
    return;
  }
  std::unique_ptr<Statistics> statistics;
  if (withStatistics) {
    statistics = std::make_unique<Statistics>(int64_t{stem->tiles} * stemGroups, shape.outputChannels);
    epilogue.statistics = statistics->view;
  }
  const unsigned blocks = blocksFor(int64_t{stem->tiles} * 128, 128);
  launch("conv2d_fprop_stem", {blocks, static_cast<unsigned>(ceilDivide(w.shape[0], stemFilters))}, {128},
         stem->fpropBytes(), read<float>(x), read<float>(w), epilogue, write(y, channelsLast), stem->shape,
         stem->window, stem->tiles);
  attach(y, std::move(statistics));
}

void dgrad(const Conv2dDgrad& op) {
  Tensor &dy = op.dy, &w = op.weight, &dx = op.dx;
  const Conv2dShape shape = shapeOf(op, dx.shape, w.shape, dy.shape);
  conv2dDgrad(shape, read(dy, channelsLast), read(w, channelsLast), write(dx, channelsLast));
}

void wgrad(const Conv2dWgrad& op) {
  Tensor &x = op.x, &dy = op.dy, &dw = op.dw;
  const Conv2dShape shape = shapeOf(op, x.shape, dw.shape, dy.shape);
  const auto stem = stemOf(shape, x.shape[1]);
  if (!stem) return conv2dWgrad(shape, read(x, channelsLast), read(dy, channelsLast), write(dw, channelsLast));
  constexpr int64_t maxBlocks = 512;
  const auto tilesPerBlock = static_cast<int32_t>(ceilDivide(stem->tiles, maxBlocks));
  const int64_t blocks = ceilDivide(stem->tiles, tilesPerBlock), splitK = 2 * blocks, count = dw.elements();
  Workspace<float> splits(static_cast<size_t>(splitK * count));
  const Dim grid{static_cast<unsigned>(blocks), static_cast<unsigned>(ceilDivide(filterSize(stem->shape), stemTaps)),
                 static_cast<unsigned>(ceilDivide(dw.shape[0], stemFilters))};
  launch("conv2d_wgrad_stem", grid, {128}, stem->wgradBytes(), read<float>(x), read(dy, channelsLast), splits.data(),
         stem->shape, stem->window, stem->tiles, tilesPerBlock);
  reduceSplits(splits.data(), {}, write<float>(dw), count, splitK, 1, 0);
}

void biasGrad(const BiasGrad& op) {
  Tensor& dy = op.dy;
  const Shape& shape = dy.shape;
  conv2dBiasGrad(read(dy, channelsLast), shape[0] * shape[2] * shape[3], shape[1], paddedChannels(shape[1]),
                 write<float>(op.db));
}

const Register<fprop> registerFprop("conv2d.fprop");
const Register<dgrad> registerDgrad("conv2d.dgrad");
const Register<wgrad> registerWgrad("conv2d.wgrad");
const Register<biasGrad> registerBiasGrad("conv2d.biasGrad");

}  // namespace
}  // namespace spinegrad::cuda

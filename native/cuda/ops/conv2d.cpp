// conv2d: which kernel takes a pass. Three kinds do (their files say how):
//
//   kernels/conv2d.cu       tensor cores, tiles of three sizes, the depth in one part or several
//   kernels/conv2dStem.cu   images of at most four channels, row-major
//   kernels/conv2dPlain.cu  everything else: before sm_80, rows that are no whole 16 bytes, very large tensors
//
// The choice depends on the shape alone, not on the number of multiprocessors, so that all GPUs of an architecture give
// the same bits. For comparison and tuning SPINEGRAD_CUDA_GEMM overrides it: `plain`, or a tile and optionally a number
// of parts, as in `128x64` or `64x64:4`. To what tensor cores round their factors is the device's precision.

#include "native/cuda/ops/conv2d.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
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

/// A block's tile, and how much of a multiprocessor's speed such blocks reach: an estimate from the words they read of
/// shared memory for a product, until it has been measured.
struct Tile {
  const char* name;
  int64_t rows, columns;
  unsigned threads;
  int64_t warpRows;
  double speed;
};
constexpr std::array<Tile, 3> tiles{
    {{"128x128", 128, 128, 256, 64, 1}, {"128x64", 128, 64, 128, 64, 0.9}, {"64x64", 64, 64, 128, 32, 0.75}}};

/// What SPINEGRAD_CUDA_GEMM asks for; read at each call, so that a tuner can go through the variants.
struct Wish {
  bool plain = false;
  const Tile* tile = nullptr;
  int64_t parts = 0;
};

Wish wish() {
  const char* const variable = std::getenv("SPINEGRAD_CUDA_GEMM");
  Wish wish;
  if (variable == nullptr || *variable == 0) return wish;
  std::string_view rest = variable;
  const auto next = [&] {
    const std::string_view word = rest.substr(0, rest.find(':'));
    rest.remove_prefix(std::min(rest.size(), word.size() + 1));
    return word;
  };
  const std::string_view name = next();
  wish.plain = name == "plain";
  bool known = wish.plain;
  if (!wish.plain) {
    wish.tile = std::find_if(tiles.begin(), tiles.end(), [&](const Tile& tile) { return tile.name == name; });
    known = wish.tile != tiles.end();
    if (const std::string_view parts = next(); !parts.empty()) {
      const auto [end, error] = std::from_chars(parts.begin(), parts.end(), wish.parts);
      known = known && error == std::errc() && end == parts.end() && wish.parts >= 1 && wish.parts <= 1024;
    }
  }
  if (!known || !rest.empty()) {
    throw Error("ERR_ARGUMENT", "SPINEGRAD_CUDA_GEMM: found '" + std::string(variable) +
                                    "', expected plain, or a tile (128x128, 128x64, 64x64) and behind it perhaps "
                                    ":PARTS (1 to 1024), for example 128x64:4");
  }
  return wish;
}

bool fitsTensorCores(const Conv2dShape& s, const Wish& wish) {
  constexpr int64_t most = int64_t{1} << 30;  // offsets are int32
  constexpr int64_t mostPhases = 65535;       // blocks of a grid's z
  return int64_t{s.strideH} * s.strideW <= mostPhases && !wish.plain && currentContext().architecture() >= 80 &&
         s.channels % 4 == 0 && s.outputChannels % 4 == 0 && inputElements(s) < most && filterElements(s) < most &&
         outputElements(s) < most;
}

/// A product of matrices, or as many of them as there are phases.
struct Product {
  int64_t rows, columns, depth, phases;
};

struct Plan {
  const Tile* tile;
  int64_t parts;
  int32_t stepsPerPart;
};

/// Compares the tiles by the share of the device that they keep busy with what counts: a tile beyond the edge of the
/// matrix is lost, so is a device with fewer than `wanted` blocks (two for each multiprocessor of an H100). Where the
/// tiles are too few, the depth is split; the price is 8 bytes more of traffic for an output and part, the time of
/// some 256 of the depth.
Plan planFor(const Product& product, const Wish& wish) {
  constexpr int64_t wanted = 264, leastStepsPerPart = 16;
  constexpr double costOfPart = 256;
  const int64_t steps = ceilDivide(product.depth, gemmTileK);
  Plan best{};
  double bestScore = -1;
  for (const Tile& tile : tiles) {
    if (wish.tile != nullptr && wish.tile != &tile) continue;
    const int64_t down = ceilDivide(product.rows, tile.rows), across = ceilDivide(product.columns, tile.columns);
    const int64_t blocks = down * across * product.phases;
    const int64_t most = std::max<int64_t>(1, steps / leastStepsPerPart);
    const int64_t asked = wish.parts > 0 ? wish.parts : std::clamp<int64_t>(ceilDivide(wanted, blocks), 1, most);
    const int64_t stepsPerPart = std::max<int64_t>(1, ceilDivide(steps, asked));
    const int64_t parts = std::max<int64_t>(1, ceilDivide(steps, stepsPerPart));
    const double inside = static_cast<double>(product.rows * product.columns) /
                          static_cast<double>(down * tile.rows * across * tile.columns);
    const double busy = std::min(1.0, static_cast<double>(blocks * parts) / wanted);
    const double depth = static_cast<double>(product.depth);
    const double split = parts == 1 ? 1 : depth / (depth + costOfPart * static_cast<double>(parts));
    const double score = tile.speed * inside * busy * split;
    if (score > bestScore) {
      bestScore = score;
      best = {&tile, parts, static_cast<int32_t>(stepsPerPart)};
    }
  }
  return best;
}

void addParts(const float* parts, const Conv2dEpilogue& epilogue, float* y, int64_t count, int64_t partCount,
              int32_t pitch, int32_t filters) {
  launch("conv2d_add_parts", {blocksFor(count, 256)}, {256}, 0, parts, epilogue, y, count,
         static_cast<int32_t>(partCount), pitch, filters);
}

/// Runs conv2d_<pass> as planned for a product whose result has `count` elements: `start(kernel, grid, block, shared
/// bytes, epilogue, result, steps)` launches it.
template <class Start>
void multiply(const char* pass, const Product& product, const Plan& plan, const Conv2dEpilogue& epilogue, float* result,
              int64_t count, const Conv2dShape& shape, Start start) {
  const Tile& tile = *plan.tile;
  const char* const precision = currentContext().precision() == Precision::bf16 ? "_bf16_" : "_tf32_";
  const std::string kernel = std::string("conv2d_") + pass + precision + tile.name;
  const int64_t blocks = ceilDivide(product.rows, tile.rows) * ceilDivide(product.columns, tile.columns);
  const Dim grid{static_cast<unsigned>(blocks), static_cast<unsigned>(plan.parts),
                 static_cast<unsigned>(product.phases)};
  const auto bytes = static_cast<size_t>((tile.rows + tile.columns) * gemmTileK * gemmStages) * sizeof(float);
  if (plan.parts == 1) {
    start(kernel.c_str(), grid, Dim{tile.threads}, bytes, epilogue, result, plan.stepsPerPart);
    return;
  }
  Workspace<float> parts(static_cast<size_t>(plan.parts * count));
  start(kernel.c_str(), grid, Dim{tile.threads}, bytes, Conv2dEpilogue{}, parts.data(), plan.stepsPerPart);
  addParts(parts.data(), epilogue, result, count, plan.parts, shape.outputChannels, shape.filters);
}

}  // namespace

std::unique_ptr<Statistics> conv2dFprop(const Conv2dShape& shape, const float* x, const float* w,
                                        const Conv2dEpilogue& epilogue, float* y, bool statistics) {
  const Wish asked = wish();
  if (!fitsTensorCores(shape, asked)) {
    launch("conv2d_fprop_plain", {blocksFor(outputElements(shape), 256)}, {256}, 0, x, w, epilogue, y, shape);
    return nullptr;
  }
  const Product product{outputRows(shape), shape.outputChannels, filterSize(shape), 1};
  const Plan plan = planFor(product, asked);
  std::unique_ptr<Statistics> known;
  Conv2dEpilogue whole = epilogue;
  if (statistics && plan.parts == 1) {
    known = std::make_unique<Statistics>(ceilDivide(outputRows(shape), plan.tile->warpRows), shape.outputChannels);
    whole.statistics = known->view;
  }
  multiply("fprop", product, plan, whole, y, outputElements(shape), shape,
           [&](const char* kernel, Dim grid, Dim block, size_t bytes, const Conv2dEpilogue& end, float* to,
               int32_t steps) { launch(kernel, grid, block, bytes, x, w, end, to, shape, steps); });
  return known;
}

void conv2dDgrad(const Conv2dShape& shape, const float* dy, const float* w, float* dx) {
  const Wish asked = wish();
  if (!fitsTensorCores(shape, asked)) {
    launch("conv2d_dgrad_plain", {blocksFor(inputElements(shape), 256)}, {256}, 0, dy, w, dx, shape);
    return;
  }
  const int64_t rows = shape.images * ceilDivide(shape.height, shape.strideH) * ceilDivide(shape.width, shape.strideW);
  const int64_t taps = ceilDivide(shape.kernelH, shape.strideH) * ceilDivide(shape.kernelW, shape.strideW);
  const Product product{rows, shape.channels, taps * shape.outputChannels, int64_t{shape.strideH} * shape.strideW};
  multiply("dgrad", product, planFor(product, asked), {}, dx, inputElements(shape), shape,
           [&](const char* kernel, Dim grid, Dim block, size_t bytes, const Conv2dEpilogue&, float* to, int32_t steps) {
             launch(kernel, grid, block, bytes, dy, w, to, shape, steps);
           });
}

void conv2dWgrad(const Conv2dShape& shape, const float* x, const float* dy, float* dw) {
  const Wish asked = wish();
  if (!fitsTensorCores(shape, asked)) {
    launch("conv2d_wgrad_plain", {blocksFor(filterElements(shape), 256)}, {256}, 0, x, dy, dw, shape);
    return;
  }
  const Product product{shape.filters, filterSize(shape), outputRows(shape), 1};
  multiply("wgrad", product, planFor(product, asked), {}, dw, filterElements(shape), shape,
           [&](const char* kernel, Dim grid, Dim block, size_t bytes, const Conv2dEpilogue&, float* to, int32_t steps) {
             launch(kernel, grid, block, bytes, x, dy, to, shape, steps);
           });
}

void conv2dBiasGrad(const float* dy, int64_t rows, int64_t columns, int64_t pitch, float* db) {
  const int64_t pieces = ceilDivide(rows, conv2dBiasChunk);
  const auto filters = static_cast<int32_t>(columns), outputChannels = static_cast<int32_t>(pitch);
  Workspace<double> partials(static_cast<size_t>(pieces * columns));
  launch("conv2d_bias_pieces", {static_cast<unsigned>(pieces), static_cast<unsigned>(ceilDivide(columns, 32))}, {32, 8},
         0, dy, partials.data(), rows, filters, outputChannels);
  launch("conv2d_bias_total", {blocksFor(columns, 256)}, {256}, 0, partials.data(), db, pieces, filters);
}

namespace {

constexpr Layout last = Layout::channelsLast;

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

/// How the kernels of the stem take a convolution.
struct Stem {
  Conv2dShape shape;
  StemWindow window;
  int32_t tiles;
  size_t windowBytes;

  size_t fpropBytes() const { return filterSize(shape) * stemFilterPitch * sizeof(float) + windowBytes; }
  size_t wgradBytes() const { return stemRows * stemColumns * stemFilters * sizeof(float) + windowBytes; }
};

/// Nothing where they do not take it: more than four channels, or windows and filters beyond shared memory.
std::optional<Stem> stemOf(const Conv2dShape& padded, int64_t channels) {
  constexpr size_t mostShared = 64 << 10;  // what every architecture has
  if (channels > 4 || wish().plain) return {};
  Stem stem{padded, {}, 0, 0};
  Conv2dShape& s = stem.shape;
  s.channels = static_cast<int32_t>(channels);
  const int64_t rows = (stemRows - 1) * int64_t{s.strideH} + s.kernelH;
  const int64_t columns = (stemColumns - 1) * int64_t{s.strideW} + s.kernelW;
  const int64_t count = s.images * ceilDivide(s.outputH, stemRows) * ceilDivide(s.outputW, stemColumns);
  stem.windowBytes = static_cast<size_t>(channels * rows * columns) * sizeof(float);
  if (std::max(stem.fpropBytes(), stem.wgradBytes()) > mostShared || count >= int64_t{1} << 31) return {};
  stem.window = {static_cast<int32_t>(rows), static_cast<int32_t>(columns)};
  stem.tiles = static_cast<int32_t>(count);
  return stem;
}

void fprop(const Conv2dFprop& op) {
  Tensor &x = op.x, &w = op.weight, &y = op.y;
  const Conv2dShape shape = shapeOf(op, x.shape, w.shape, y.shape);
  Tensor* const residual = op.residual;
  Conv2dEpilogue epilogue{.bias = op.bias != nullptr ? read<float>(*op.bias) : nullptr,
                          .residual = residual != nullptr ? read(*residual, last) : nullptr,
                          .relu = op.relu};
  const bool statistics = op.forBatchNorm && residual == nullptr && !op.relu;
  const bool oneLayout = residual == &x || residual == &w;  // the stem would want x and w in the other
  const auto stem = oneLayout ? std::nullopt : stemOf(shape, x.shape[1]);
  if (!stem) {
    float* const to = write(y, last);
    attach(y, conv2dFprop(shape, read(x, last), read(w, last), epilogue, to, statistics));
    return;
  }
  std::unique_ptr<Statistics> known;
  if (statistics) {
    known = std::make_unique<Statistics>(int64_t{stem->tiles} * stemGroups, shape.outputChannels);
    epilogue.statistics = known->view;
  }
  const unsigned blocks = blocksFor(int64_t{stem->tiles} * 128, 128);
  launch("conv2d_fprop_stem", {blocks, static_cast<unsigned>(ceilDivide(w.shape[0], stemFilters))}, {128},
         stem->fpropBytes(), read<float>(x), read<float>(w), epilogue, write(y, last), stem->shape, stem->window,
         stem->tiles);
  attach(y, std::move(known));
}

void dgrad(const Conv2dDgrad& op) {
  Tensor &dy = op.dy, &w = op.weight, &dx = op.dx;
  const Conv2dShape shape = shapeOf(op, dx.shape, w.shape, dy.shape);
  conv2dDgrad(shape, read(dy, last), read(w, last), write(dx, last));
}

void wgrad(const Conv2dWgrad& op) {
  Tensor &x = op.x, &dy = op.dy, &dw = op.dw;
  const Conv2dShape shape = shapeOf(op, x.shape, dw.shape, dy.shape);
  const auto stem = stemOf(shape, x.shape[1]);
  if (!stem) return conv2dWgrad(shape, read(x, last), read(dy, last), write(dw, last));
  constexpr int64_t mostBlocks = 512;
  const auto tilesPerBlock = static_cast<int32_t>(ceilDivide(stem->tiles, mostBlocks));
  const int64_t blocks = ceilDivide(stem->tiles, tilesPerBlock), parts = 2 * blocks, count = dw.elements();
  Workspace<float> partial(static_cast<size_t>(parts * count));
  const Dim grid{static_cast<unsigned>(blocks), static_cast<unsigned>(ceilDivide(filterSize(stem->shape), stemTaps)),
                 static_cast<unsigned>(ceilDivide(dw.shape[0], stemFilters))};
  launch("conv2d_wgrad_stem", grid, {128}, stem->wgradBytes(), read<float>(x), read(dy, last), partial.data(),
         stem->shape, stem->window, stem->tiles, tilesPerBlock);
  addParts(partial.data(), {}, write<float>(dw), count, parts, 1, 0);
}

void biasGrad(const BiasGrad& op) {
  Tensor& dy = op.dy;
  const Shape& shape = dy.shape;
  conv2dBiasGrad(read(dy, last), shape[0] * shape[2] * shape[3], shape[1], paddedChannels(shape[1]),
                 write<float>(op.db));
}

const Register<fprop> registerFprop("conv2d.fprop");
const Register<dgrad> registerDgrad("conv2d.dgrad");
const Register<wgrad> registerWgrad("conv2d.wgrad");
const Register<biasGrad> registerBiasGrad("conv2d.biasGrad");

}  // namespace
}  // namespace spinegrad::cuda

// Winograd's passes for one vector length. winograd8.cpp and winograd16.cpp include this file and are compiled for AVX2
// and AVX-512. winogradKernels.h describes the method.

#include <omp.h>

#include "native/cpu/conv/vector.h"
#include "native/cpu/conv/winogradKernels.h"
#include "native/cpu/conv/winogradTransforms.h"
#include "native/cpu/runtime/lanes.h"

namespace spinegrad::cpu {
namespace {

constexpr int64_t panel = 2 * lanes;
/// Rows of a matrix product whose sums are in registers: 12 of 16 vectors with AVX2, 24 of 32 with AVX-512.
constexpr int64_t rows = lanes == 16 ? 12 : 6;

using Transform = void(const Vector*, int64_t, Vector*, int64_t);

struct TileRange {
  int64_t first, count;
};

/// Iterates over the tiles of all images in row-major order.
struct TileIterator {
  int64_t image, row, column;

  SPINEGRAD_INLINE TileIterator(const WinogradPlan& plan, int64_t tile)
      : image(tile / plan.tilesAcross / plan.tilesDown),
        row(tile / plan.tilesAcross % plan.tilesDown),
        column(tile % plan.tilesAcross) {}

  SPINEGRAD_INLINE void next(const WinogradPlan& plan) {
    if (++column < plan.tilesAcross) return;
    column = 0;
    if (++row < plan.tilesDown) return;
    row = 0;
    ++image;
  }
};

/// Transformed values: those of position p begin at first + p * stride.
struct Positions {
  float* first;
  int64_t stride;

  SPINEGRAD_INLINE Positions operator+(int64_t offset) const { return {first + offset, stride}; }
  SPINEGRAD_INLINE float* operator[](int64_t position) const { return first + position * stride; }
};

/// One channel block of one image.
struct Plane {
  const Vector* pixels;
  int64_t height, width;
};

/// Images that are read in tiles, the first of which begins at (-padH, -padW).
struct TiledImages {
  const float* images;
  BlockedSize size;
  int64_t padH, padW;

  SPINEGRAD_INLINE Plane plane(int64_t image, int64_t block) const {
    const int64_t pixels = size.height * size.width;
    return {reinterpret_cast<const Vector*>(images) + (image * size.blocks + block) * pixels, size.height, size.width};
  }
};

/// Distance of the software prefetch in tiles: the hardware prefetcher does not follow the rows of a tile, which are
/// far apart in memory.
constexpr int64_t prefetchDistance = 6;

/// Prefetches the size x size pixels at (top, left), of which the last `step` columns are not in the previous tile.
template <int size, int step, int write>
SPINEGRAD_INLINE void prefetchTile(const Vector* image, int64_t width, int64_t top, int64_t left) {
  constexpr int perLine = lanes == 16 ? 1 : 2;
#pragma GCC unroll 8
  for (int row = 0; row < size; ++row) {
#pragma GCC unroll 8
    for (int column = size - 1; column >= size - step; column -= perLine) {
      __builtin_prefetch(image + (top + row) * width + left + column, write);
    }
  }
}

/// Transforms the size x size pixels at (top, left). Pixels outside the plane are zero.
template <int size, int n>
SPINEGRAD_INLINE void transformTile(Transform* transform, const Plane& plane, int64_t top, int64_t left,
                                    Grid<Vector> to) {
  const auto [pixels, height, width] = plane;
  if (top >= 0 && left >= 0 && top + size <= height && left + size <= width) {
    return transformGrid<size, n>(transform, Grid<const Vector>{pixels + top * width + left, width, 1}, to);
  }
  Vector tile[size * size];
  for (int64_t row = 0; row < size; ++row) {
    const bool rowInside = top + row >= 0 && top + row < height;
    for (int64_t column = 0; column < size; ++column) {
      const bool inside = rowInside && left + column >= 0 && left + column < width;
      tile[row * size + column] = inside ? pixels[(top + row) * width + left + column] : Vector{};
    }
  }
  transformGrid<size, n>(transform, Grid<const Vector>{tile, size, 1}, to);
}

/// Transforms the tiles of channel blocks `block` and `block + 1`: to[position][tile]. Tiles are `tileStep` pixels
/// apart.
template <int size, int n, int tileStep>
SPINEGRAD_INLINE void transformPanel(const WinogradPlan& plan, Transform* transform, const TiledImages& from,
                                     int64_t block, TileRange tiles, Positions to) {
  TileIterator at(plan, tiles.first), ahead(plan, tiles.first + prefetchDistance);
  Vector* v = reinterpret_cast<Vector*>(to.first);
  const int64_t step = to.stride / lanes;
  for (int64_t tile = 0; tile < tiles.count; ++tile, at.next(plan), ahead.next(plan)) {
    for (int64_t half = 0; half < 2; ++half, ++v) {
      if (block + half < from.size.blocks) {
        prefetchTile<size, tileStep, 0>(from.plane(ahead.image, block + half).pixels, from.size.width,
                                        ahead.row * tileStep - from.padH, ahead.column * tileStep - from.padW);
        transformTile<size, n>(transform, from.plane(at.image, block + half), at.row * tileStep - from.padH,
                               at.column * tileStep - from.padW, {v, n * step, step});
      } else {
        for (int64_t position = 0; position < n * n; ++position) v[position * step] = Vector{};
      }
    }
  }
}

/// B' d B of panel p of x: to[position][p][tile].
template <class F>
void transformX(const WinogradPlan& plan, const float* x, int64_t p, TileRange tiles, Positions to) {
  transformPanel<F::pixels, F::points, F::step>(plan, F::input, {x, plan.x, plan.padH, plan.padW}, 2 * p, tiles,
                                                to + p * plan.blockTiles * panel);
}

/// A dy A' of panel p of dy: to[position][p][tile].
template <class F>
void transformDy(const WinogradPlan& plan, const float* dy, int64_t p, TileRange tiles, Positions to) {
  transformPanel<F::outputs, F::points, F::outputs>(plan, F::outputTransposed, {dy, plan.y, 0, 0}, 2 * p, tiles,
                                                    to + p * plan.blockTiles * panel);
}

/// A' m A of panel p of y, and the epilogue.
template <class F>
void transformY(const WinogradPlan& plan, Positions from, const Epilogue& epilogue, int64_t p, TileRange tiles,
                float* y) {
  constexpr int m = F::outputs, n = F::points;
  const auto& [blocks, height, width] = plan.y;
  const Vector* v = reinterpret_cast<const Vector*>(from.first);
  const int64_t step = from.stride / lanes, halves = smaller(2, blocks - 2 * p);
  TileIterator at(plan, tiles.first), ahead(plan, tiles.first + prefetchDistance);
  for (int64_t tile = 0; tile < tiles.count; ++tile, v += 2, at.next(plan), ahead.next(plan)) {
    const int64_t top = at.row * m, left = at.column * m;
    const int64_t down = smaller(m, height - top), across = smaller(m, width - left);
    for (int64_t half = 0; half < halves; ++half) {
      const int64_t block = 2 * p + half;
      prefetchTile<m, m, 1>(reinterpret_cast<const Vector*>(y) + (ahead.image * blocks + block) * height * width, width,
                            ahead.row * m, ahead.column * m);
      const Vector bias = epilogue.bias == nullptr ? Vector{} : load(epilogue.bias + block * lanes);
      Vector pixels[m * m];
      transformGrid<n, m>(F::output, Grid<const Vector>{v + half, n * step, step}, Grid<Vector>{pixels, m, 1});
      const int64_t firstRow = (at.image * blocks + block) * height + top;
      for (int64_t row = 0; row < down; ++row) {
        const int64_t first = ((firstRow + row) * width + left) * lanes;
        for (int64_t column = 0; column < across; ++column) {
          const int64_t offset = first + column * lanes;
          Vector pixel = pixels[row * m + column] + bias;
          if (epilogue.residual != nullptr) pixel += load(epilogue.residual + offset);
          if (epilogue.relu) pixel = pixel < 0.0f ? Vector{} : pixel;
          store(y + offset, pixel);
        }
      }
    }
  }
}

/// sums[row][0, 1] += a[row * rowStep + step * stepStep] * b[step][0, 1] over the steps.
template <int64_t count, int64_t rowStep, int64_t stepStep>
SPINEGRAD_INLINE void multiply(const float* a, const float* b, int64_t steps, Vector (&sums)[count][2]) {
  for (int64_t step = 0; step < steps; ++step) {
    const Vector b0 = load(b + step * panel), b1 = load(b + step * panel + lanes);
#pragma GCC unroll 12
    for (int64_t row = 0; row < count; ++row) {
      const float factor = a[row * rowStep + step * stepStep];
      sums[row][0] += factor * b0;
      sums[row][1] += factor * b1;
    }
  }
}

/// m[row] = sum over the channels of v[panel][row][channel] u[channel], for `count` tiles and one panel of outputs.
template <int64_t count>
void tileProducts(const float* v, int64_t panelStride, int64_t panels, const float* u, float* m) {
  Vector sums[count][2] = {};
  for (int64_t p = 0; p < panels; ++p) {
    multiply<count, panel, 1>(v + p * panelStride, u + p * panel * panel, panel, sums);
  }
#pragma GCC unroll 12
  for (int64_t row = 0; row < count; ++row) {
    store(m + row * panel, sums[row][0]);
    store(m + row * panel + lanes, sums[row][1]);
  }
}

/// The same for the `left` tiles, fewer than `rows`, at the end of a block.
template <int64_t count>
void lastTileProducts(int64_t left, const float* v, int64_t panelStride, int64_t panels, const float* u, float* m) {
  if constexpr (count > 0) {
    if (left == count) return tileProducts<count>(v, panelStride, panels, u, m);
    lastTileProducts<count - 1>(left, v, panelStride, panels, u, m);
  }
}

/// du[channel] (+)= sum over the tiles of v[tile][channel] w[tile], for `count` channels and one panel of filters.
template <int64_t count>
SPINEGRAD_INLINE void filterProducts(const float* v, const float* w, int64_t tiles, bool first, float* du) {
  Vector sums[count][2];
#pragma GCC unroll 12
  for (int64_t row = 0; row < count; ++row) {
    sums[row][0] = first ? Vector{} : load(du + row * panel);
    sums[row][1] = first ? Vector{} : load(du + row * panel + lanes);
  }
  multiply<count, 1, panel>(v, w, tiles, sums);
#pragma GCC unroll 12
  for (int64_t row = 0; row < count; ++row) {
    store(du + row * panel, sums[row][0]);
    store(du + row * panel + lanes, sums[row][1]);
  }
}

/// G g G' of one block of inputs and one block of outputs: to[filter][input][output].
template <class F>
void transformFilters(const WinogradPlan& plan, const float* w, int64_t output, int64_t input, Positions to) {
  constexpr int n = F::filters;
  constexpr int64_t size = 9 * lanes * lanes;
  const bool rotate = plan.rotatesFilters;
  Vector taps[9][lanes];  // [tap][input][output]
  const float* block = w + (rotate ? input * plan.y.blocks + output : output * plan.x.blocks + input) * size;
  const float* next = block + (rotate ? plan.y.blocks : 1) * size;
  const bool inside = input < plan.x.blocks && output < plan.y.blocks;
  for (int64_t tap = 0; tap < 9; ++tap) {
    const float* from = block + (rotate ? 8 - tap : tap) * lanes * lanes;
    for (int64_t i = 0; i < lanes; ++i) {
      taps[tap][i] = inside ? load(from + i * lanes) : Vector{};
      __builtin_prefetch(next + (tap * lanes + i) * lanes);
    }
    if (rotate) transpose<lanes>(taps[tap]);
  }
  const int64_t step = to.stride / lanes;
  for (int64_t i = 0; i < lanes; ++i) {
    transformGrid<3, n>(F::filter, Grid<const Vector>{&taps[0][i], 3 * lanes, lanes},
                        Grid<Vector>{reinterpret_cast<Vector*>(to.first + i * panel), n * step, step});
  }
}

/// m[tile][output] = sum over the inputs of v[tile][input] u[input][output], at one position and for one panel of
/// outputs.
SPINEGRAD_INLINE void panelProducts(const WinogradPlan& plan, const float* v, const float* u, int64_t count, float* m) {
  const int64_t panelStride = plan.blockTiles * panel, panels = plan.xPanels();
  int64_t tile = 0;
  for (; tile + rows <= count; tile += rows) {
    tileProducts<rows>(v + tile * panel, panelStride, panels, u, m + tile * panel);
  }
  lastTileProducts<rows - 1>(count - tile, v + tile * panel, panelStride, panels, u, m + tile * panel);
}

/// The transformed filter of a position. At stride 2 the last positions of a row or column share one filter.
template <class F>
SPINEGRAD_INLINE int64_t filterOf(int64_t position) {
  constexpr int n = F::points, f = F::filters;
  return smaller(position / n, f - 1) * f + smaller(position % n, f - 1);
}

template <class F>
void fpropByTiles(const WinogradPlan& plan, const WinogradFprop& operands) {
  constexpr int n = F::points;
  const auto& [x, w, epilogue, scratch, y] = operands;
  const int64_t inputs = 2 * plan.xPanels(), outputs = 2 * plan.yPanels(), filterPanel = inputs * lanes * panel;
  const Positions u{scratch, plan.filterStride()};
  float* threadScratch = scratch + plan.filterStride() * plan.filterPositions();
#pragma omp parallel
  {
#pragma omp for collapse(2) schedule(static)
    for (int64_t output = 0; output < outputs; ++output) {
      for (int64_t input = 0; input < inputs; ++input) {
        transformFilters<F>(plan, w, output, input,
                            u + (output / 2 * filterPanel + input * lanes * panel + output % 2 * lanes));
      }
    }
    // The products of a position overwrite the transformed input of the position before, which is no longer used.
    const int64_t stride = plan.tilesStride();
    const Positions m{threadScratch + omp_get_thread_num() * stride * (n * n + 1), stride}, v = m + stride;
#pragma omp for schedule(static)
    for (int64_t block = 0; block < plan.blocks(); ++block) {
      const int64_t first = block * plan.blockTiles;
      const TileRange tiles{first, smaller(plan.blockTiles, plan.tiles() - first)};
      for (int64_t p = 0; p < plan.xPanels(); ++p) transformX<F>(plan, x, p, tiles, v);
      for (int64_t position = 0; position < n * n; ++position) {
        for (int64_t p = 0; p < plan.yPanels(); ++p) {
          panelProducts(plan, v[position], u[filterOf<F>(position)] + p * filterPanel, tiles.count,
                        m[position] + p * plan.blockTiles * panel);
        }
      }
      for (int64_t p = 0; p < plan.yPanels(); ++p) {
        transformY<F>(plan, m + p * plan.blockTiles * panel, epilogue, p, tiles, y);
      }
    }
  }
}

template <class F>
void fpropByFilters(const WinogradPlan& plan, const WinogradFprop& operands) {
  constexpr int n = F::points;
  const auto& [x, w, epilogue, scratch, y] = operands;
  const int64_t inputs = 2 * plan.xPanels();
  const TileRange tiles{0, plan.tiles()};
  const Positions v{scratch, plan.xStride()};
  float* threadScratch = scratch + plan.xStride() * n * n;
#pragma omp parallel
  {
#pragma omp for schedule(static)
    for (int64_t p = 0; p < plan.xPanels(); ++p) transformX<F>(plan, x, p, tiles, v);
    const int64_t filters = plan.filterPanelStride() * plan.filterPositions();
    const Positions u{threadScratch + omp_get_thread_num() * (filters + plan.tilePanelStride() * n * n),
                      plan.filterPanelStride()};
    const Positions m{u.first + filters, plan.tilePanelStride()};
#pragma omp for schedule(static)
    for (int64_t p = 0; p < plan.yPanels(); ++p) {
      for (int64_t output = 2 * p; output < 2 * p + 2; ++output) {
        for (int64_t input = 0; input < inputs; ++input) {
          transformFilters<F>(plan, w, output, input, u + (input * lanes * panel + output % 2 * lanes));
        }
      }
      for (int64_t position = 0; position < n * n; ++position) {
        panelProducts(plan, v[position], u[filterOf<F>(position)], tiles.count, m[position]);
      }
      transformY<F>(plan, m, epilogue, p, tiles, y);
    }
  }
}

/// du[channel][output] (+)= sum over the tiles of v[tile][channel] w[tile][output], at one position and for one panel
/// of each.
SPINEGRAD_INLINE void filterPanelProducts(const float* v, const float* w, int64_t tiles, bool first, float* du) {
  int64_t channel = 0;
  for (; channel + rows <= panel; channel += rows) {
    filterProducts<rows>(v + channel, w, tiles, first, du + channel * panel);
  }
  filterProducts<panel % rows>(v + channel, w, tiles, first, du + channel * panel);
}

/// G' du G of one panel of outputs and one panel of inputs.
template <class F>
void transformDw(const WinogradPlan& plan, Positions du, int64_t outputPanel, int64_t inputPanel, float* dw) {
  constexpr int n = F::filters;
  const int64_t step = du.stride / lanes;
  for (int64_t output = 2 * outputPanel; output < smaller(2 * outputPanel + 2, plan.y.blocks); ++output) {
    for (int64_t input = 2 * inputPanel; input < smaller(2 * inputPanel + 2, plan.x.blocks); ++input) {
      for (int64_t i = 0; i < lanes; ++i) {
        const float* from = du.first + (input % 2 * lanes + i) * panel + output % 2 * lanes;
        float* to = dw + ((output * plan.x.blocks + input) * 9 * lanes + i) * lanes;
        transformGrid<n, 3>(F::filterTransposed,
                            Grid<const Vector>{reinterpret_cast<const Vector*>(from), n * step, step},
                            Grid<Vector>{reinterpret_cast<Vector*>(to), 3 * lanes, lanes});
      }
    }
  }
}

template <class F>
void wgradOf(const WinogradPlan& plan, const WinogradWgrad& operands) {
  constexpr int n = F::points, f = F::filters;
  const auto& [x, dy, scratch, dw] = operands;
  const int64_t xPanels = plan.xPanels(), yPanels = plan.yPanels(), panelStride = plan.blockTiles * panel;
  const bool byFilters = plan.byFilters();
  const Positions v{scratch, plan.xStride()};
  const Positions w{v[n * n], plan.yStride()};
  const Positions du{w[n * n], byFilters ? plan.filterPairStride() : plan.filterStride()};
#pragma omp parallel
  {
    /// Adds the products of all positions that share a transformed filter.
    const auto multiplyPanels = [&](int64_t filter, int64_t output, int64_t input, int64_t count, bool firstBlock,
                                    float* to) {
      const int64_t top = filter / f, left = filter % f;
      for (int64_t row = top; row < (top < f - 1 ? top + 1 : n); ++row) {
        for (int64_t column = left; column < (left < f - 1 ? left + 1 : n); ++column) {
          const int64_t position = row * n + column;
          filterPanelProducts(v[position] + input * panelStride, w[position] + output * panelStride, count,
                              firstBlock && row == top && column == left, to);
        }
      }
    };
    for (int64_t block = 0; block < plan.blocks(); ++block) {
      const int64_t first = block * plan.blockTiles;
      const TileRange tiles{first, smaller(plan.blockTiles, plan.tiles() - first)};
#pragma omp for schedule(static)
      for (int64_t task = 0; task < xPanels + yPanels; ++task) {
        if (task < xPanels) {
          transformX<F>(plan, x, task, tiles, v);
        } else {
          transformDy<F>(plan, dy, task - xPanels, tiles, w);
        }
      }
      if (byFilters) break;
        // Chunks of one, because the last filters have more positions than the first.
#pragma omp for collapse(2) schedule(static, 1)
      for (int64_t filter = 0; filter < f * f; ++filter) {
        for (int64_t output = 0; output < yPanels; ++output) {
          for (int64_t input = 0; input < xPanels; ++input) {
            multiplyPanels(filter, output, input, tiles.count, block == 0,
                           du[filter] + (output * xPanels + input) * panel * panel);
          }
        }
      }
    }
    const Positions threadDu = du + omp_get_thread_num() * du.stride * f * f;
#pragma omp for collapse(2) schedule(static)
    for (int64_t output = 0; output < yPanels; ++output) {
      for (int64_t input = 0; input < xPanels; ++input) {
        if (byFilters) {
          for (int64_t filter = 0; filter < f * f; ++filter) {
            multiplyPanels(filter, output, input, plan.tiles(), true, threadDu[filter]);
          }
        }
        transformDw<F>(plan, byFilters ? threadDu : du + (output * xPanels + input) * panel * panel, output, input, dw);
      }
    }
  }
}

template <class F>
void fpropOf(const WinogradPlan& plan, const WinogradFprop& operands) {
  plan.byFilters() ? fpropByFilters<F>(plan, operands) : fpropByTiles<F>(plan, operands);
}

void fprop(const WinogradPlan& plan, const WinogradFprop& operands) {
  switch (plan.transforms) {
    case WinogradTransforms::F4x3:
      return fpropOf<F4x3<Vector>>(plan, operands);
    case WinogradTransforms::F3x3:
      return fpropOf<F3x3<Vector>>(plan, operands);
    case WinogradTransforms::F3x3Strided:
      return fpropOf<F3x3Strided<Vector>>(plan, operands);
    case WinogradTransforms::F3x3StridedDgrad:
      return fpropOf<F3x3StridedDgrad<Vector>>(plan, operands);
  }
}

void wgrad(const WinogradPlan& plan, const WinogradWgrad& operands) {
  switch (plan.transforms) {
    case WinogradTransforms::F4x3:
      return wgradOf<F4x3<Vector>>(plan, operands);
    case WinogradTransforms::F3x3:
      return wgradOf<F3x3<Vector>>(plan, operands);
    default:
      return wgradOf<F3x3Strided<Vector>>(plan, operands);
  }
}

}  // namespace
}  // namespace spinegrad::cpu

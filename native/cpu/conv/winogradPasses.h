// Winograd's passes for one vector length: included by winograd8.cpp and winograd16.cpp, which are compiled for AVX2
// and for AVX-512. See winogradKernels.h for the method.
//
// Nothing from the standard library is used here: the linker would keep one copy of an inline function, perhaps the
// one that the processor at hand cannot run.

#include <omp.h>

#include "native/cpu/conv/winogradKernels.h"
#include "native/cpu/conv/winogradTransforms.h"
#include "native/cpu/runtime/lanes.h"

namespace spinegrad::cpu {
namespace {

constexpr int64_t lanes = SPINEGRAD_LANES;
constexpr int64_t panel = 2 * lanes;
/// Rows of the matrix product kept in registers: 12 of 16 vectors with AVX2, 24 of 32 with AVX-512.
constexpr int64_t rows = lanes == 16 ? 12 : 6;

using Vector = float __attribute__((vector_size(4 * lanes)));
using Transform = void(const Vector*, int64_t, Vector*, int64_t);

SPINEGRAD_INLINE Vector load(const float* from) { return *reinterpret_cast<const Vector*>(from); }
SPINEGRAD_INLINE void store(float* to, Vector value) { *reinterpret_cast<Vector*>(to) = value; }
SPINEGRAD_INLINE int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
SPINEGRAD_INLINE int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

/// A tile, by its number from the top and the left.
struct Place {
  int64_t image, down, across;

  SPINEGRAD_INLINE Place(const Winograd& plan, int64_t tile)
      : image(tile / plan.tilesAcross / plan.tilesDown),
        down(tile / plan.tilesAcross % plan.tilesDown),
        across(tile % plan.tilesAcross) {}

  SPINEGRAD_INLINE void next(const Winograd& plan) {
    if (++across < plan.tilesAcross) return;
    across = 0;
    if (++down < plan.tilesDown) return;
    down = 0;
    ++image;
  }
};

/// Tiles of images are far apart in memory, too irregular for the processor to guess the next: asked for so many tiles
/// before they are read or written, they come from memory while others are transformed.
constexpr int64_t tilesAhead = 6;

/// Asks for the size x size pixels from (top, left) on, of which the last `step` columns are new.
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

/// Transforms the size x size pixels at (top, left) of one channel block's image, zeros outside.
template <int size, int n>
SPINEGRAD_INLINE void transformTile(Transform* transform, const Vector* image, int64_t height, int64_t width,
                                    int64_t top, int64_t left, Vector* to, int64_t step) {
  if (top >= 0 && left >= 0 && top + size <= height && left + size <= width) {
    return square<size, n>(transform, image + top * width + left, width, 1, to, n * step, step);
  }
  Vector tile[size * size];
  for (int64_t row = 0; row < size; ++row) {
    const bool rowInside = top + row >= 0 && top + row < height;
    for (int64_t column = 0; column < size; ++column) {
      const bool inside = rowInside && left + column >= 0 && left + column < width;
      tile[row * size + column] = inside ? image[(top + row) * width + left + column] : Vector{};
    }
  }
  square<size, n>(transform, tile, size, 1, to, n * step, step);
}

/// One panel of an image's tiles [first, first + count), `tileStep` pixels apart, transformed: to[position][tile].
template <int size, int n, int tileStep>
SPINEGRAD_INLINE void transformPanel(const Winograd& plan, Transform* transform, const float* images, int64_t blocks,
                                     int64_t height, int64_t width, int64_t padH, int64_t padW, int64_t block,
                                     int64_t first, int64_t count, float* to, int64_t stride) {
  Place place(plan, first), ahead(plan, first + tilesAhead);
  Vector* v = reinterpret_cast<Vector*>(to);
  const Vector* x = reinterpret_cast<const Vector*>(images);
  const int64_t step = stride / lanes;
  for (int64_t tile = 0; tile < count; ++tile, place.next(plan), ahead.next(plan)) {
    for (int64_t half = 0; half < 2; ++half, ++v) {
      if (block + half < blocks) {
        prefetchTile<size, tileStep, 0>(x + (ahead.image * blocks + block + half) * height * width, width,
                                        ahead.down * tileStep - padH, ahead.across * tileStep - padW);
        transformTile<size, n>(transform, x + (place.image * blocks + block + half) * height * width, height, width,
                               place.down * tileStep - padH, place.across * tileStep - padW, v, step);
      } else {
        for (int64_t position = 0; position < n * n; ++position) v[position * step] = Vector{};
      }
    }
  }
}

/// Panel p of x: to[position][p][tile].
template <class F>
void transformX(const Winograd& plan, const float* x, int64_t p, int64_t first, int64_t count, float* to,
                int64_t stride) {
  transformPanel<F::pixels, F::points, F::step>(plan, F::input, x, plan.xBlocks, plan.xHeight, plan.xWidth, plan.padH,
                                                plan.padW, 2 * p, first, count, to + p * plan.blockTiles * panel,
                                                stride);
}

/// The same of dy, by the transposed output transform.
template <class F>
void transformDy(const Winograd& plan, const float* dy, int64_t p, int64_t first, int64_t count, float* to,
                 int64_t stride) {
  transformPanel<F::outputs, F::points, F::outputs>(plan, F::outputBack, dy, plan.yBlocks, plan.yHeight, plan.yWidth, 0,
                                                    0, 2 * p, first, count, to + p * plan.blockTiles * panel, stride);
}

/// Panel p of tiles [first, first + count) of y from its transform, `stride` a position.
template <class F>
void transformY(const Winograd& plan, const float* from, int64_t stride, const Epilogue& epilogue, int64_t p,
                int64_t begin, int64_t count, float* y) {
  constexpr int m = F::outputs, n = F::points;
  const Vector* v = reinterpret_cast<const Vector*>(from);
  const int64_t step = stride / lanes, halves = smaller(2, plan.yBlocks - 2 * p);
  Place place(plan, begin), ahead(plan, begin + tilesAhead);
  for (int64_t tile = 0; tile < count; ++tile, v += 2, place.next(plan), ahead.next(plan)) {
    const int64_t top = place.down * m, left = place.across * m;
    const int64_t down = smaller(m, plan.yHeight - top), across = smaller(m, plan.yWidth - left);
    for (int64_t half = 0; half < halves; ++half) {
      const int64_t block = 2 * p + half;
      prefetchTile<m, m, 1>(
          reinterpret_cast<const Vector*>(y) + (ahead.image * plan.yBlocks + block) * plan.yHeight * plan.yWidth,
          plan.yWidth, ahead.down * m, ahead.across * m);
      const Vector added = epilogue.bias == nullptr ? Vector{} : load(epilogue.bias + block * lanes);
      Vector pixels[m * m];
      square<n, m>(F::output, v + half, n * step, step, pixels, m, 1);
      const int64_t image = (place.image * plan.yBlocks + block) * plan.yHeight;
      for (int64_t row = 0; row < down; ++row) {
        const int64_t first = ((image + top + row) * plan.yWidth + left) * lanes;
        for (int64_t column = 0; column < across; ++column) {
          const int64_t at = first + column * lanes;
          Vector pixel = pixels[row * m + column] + added;
          if (epilogue.residual != nullptr) pixel += load(epilogue.residual + at);
          if (epilogue.relu) pixel = pixel < 0.0f ? Vector{} : pixel;
          store(y + at, pixel);
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

/// One block of inputs of one block of outputs: to[filter][input][output].
template <class F>
void transformFilters(const Winograd& plan, const float* w, bool turned, int64_t output, int64_t input, int64_t stride,
                      float* to) {
  constexpr int n = F::filters;
  constexpr int64_t size = 9 * lanes * lanes;
  Vector taps[9][lanes];  // [tap][input][output]
  const float* block = w + (turned ? input * plan.yBlocks + output : output * plan.xBlocks + input) * size;
  const float* next = block + (turned ? plan.yBlocks : 1) * size;
  const bool real = input < plan.xBlocks && output < plan.yBlocks;
  for (int64_t tap = 0; tap < 9; ++tap) {
    const float* from = block + (turned ? 8 - tap : tap) * lanes * lanes;
    for (int64_t i = 0; i < lanes; ++i) {
      taps[tap][i] = real ? load(from + i * lanes) : Vector{};
      __builtin_prefetch(next + (tap * lanes + i) * lanes);
    }
    if (turned) transpose<lanes>(taps[tap]);
  }
  const int64_t step = stride / lanes;
  for (int64_t i = 0; i < lanes; ++i) {
    square<3, n>(F::filter, &taps[0][i], 3 * lanes, lanes, reinterpret_cast<Vector*>(to + i * panel), n * step, step);
  }
}

/// m[tile][output] = sum over the inputs of v[tile][input] u[input][output]: one position, one panel of outputs.
SPINEGRAD_INLINE void panelProducts(const Winograd& plan, const float* v, const float* u, int64_t count, float* m) {
  const int64_t panelStride = plan.blockTiles * panel, panels = plan.xPanels();
  int64_t tile = 0;
  for (; tile + rows <= count; tile += rows) {
    tileProducts<rows>(v + tile * panel, panelStride, panels, u, m + tile * panel);
  }
  lastTileProducts<rows - 1>(count - tile, v + tile * panel, panelStride, panels, u, m + tile * panel);
}

/// The filter of a position: the last ones of a row or column may have theirs in common.
template <class F>
SPINEGRAD_INLINE int64_t filterOf(int64_t position) {
  constexpr int n = F::points, f = F::filters;
  return smaller(position / n, f - 1) * f + smaller(position % n, f - 1);
}

template <class F>
void tilesFirst(const Winograd& plan, const float* x, const float* w, bool turned, const Epilogue& epilogue,
                float* scratch, float* y) {
  constexpr int n = F::points;
  const int64_t inputs = 2 * plan.xPanels(), outputs = 2 * plan.yPanels(), filterPanel = inputs * lanes * panel;
  float* u = scratch;
  float* own = u + plan.filterStride() * plan.filterPositions();
#pragma omp parallel
  {
#pragma omp for collapse(2) schedule(static)
    for (int64_t output = 0; output < outputs; ++output) {
      for (int64_t input = 0; input < inputs; ++input) {
        transformFilters<F>(plan, w, turned, output, input, plan.filterStride(),
                            u + output / 2 * filterPanel + input * lanes * panel + output % 2 * lanes);
      }
    }
    // Each position's products overwrite the position before, which is done with.
    const int64_t stride = plan.tilesStride();
    float* m = own + omp_get_thread_num() * stride * (n * n + 1);
    float* v = m + stride;
#pragma omp for schedule(static)
    for (int64_t block = 0; block < plan.blocks(); ++block) {
      const int64_t first = block * plan.blockTiles, count = smaller(plan.blockTiles, plan.tiles() - first);
      for (int64_t p = 0; p < plan.xPanels(); ++p) transformX<F>(plan, x, p, first, count, v, stride);
      for (int64_t position = 0; position < n * n; ++position) {
        for (int64_t p = 0; p < plan.yPanels(); ++p) {
          panelProducts(plan, v + position * stride, u + filterOf<F>(position) * plan.filterStride() + p * filterPanel,
                        count, m + position * stride + p * plan.blockTiles * panel);
        }
      }
      for (int64_t p = 0; p < plan.yPanels(); ++p) {
        transformY<F>(plan, m + p * plan.blockTiles * panel, stride, epilogue, p, first, count, y);
      }
    }
  }
}

template <class F>
void filtersFirst(const Winograd& plan, const float* x, const float* w, bool turned, const Epilogue& epilogue,
                  float* scratch, float* y) {
  constexpr int n = F::points;
  const int64_t inputs = 2 * plan.xPanels(), tiles = plan.tiles();
  float* v = scratch;
  float* own = v + plan.xStride() * n * n;
#pragma omp parallel
  {
#pragma omp for schedule(static)
    for (int64_t p = 0; p < plan.xPanels(); ++p) transformX<F>(plan, x, p, 0, tiles, v, plan.xStride());
    const int64_t filters = plan.filterPanelStride() * plan.filterPositions();
    float* u = own + omp_get_thread_num() * (filters + plan.tilePanelStride() * n * n);
    float* m = u + filters;
#pragma omp for schedule(static)
    for (int64_t p = 0; p < plan.yPanels(); ++p) {
      for (int64_t output = 2 * p; output < 2 * p + 2; ++output) {
        for (int64_t input = 0; input < inputs; ++input) {
          transformFilters<F>(plan, w, turned, output, input, plan.filterPanelStride(),
                              u + input * lanes * panel + output % 2 * lanes);
        }
      }
      for (int64_t position = 0; position < n * n; ++position) {
        panelProducts(plan, v + position * plan.xStride(), u + filterOf<F>(position) * plan.filterPanelStride(), tiles,
                      m + position * plan.tilePanelStride());
      }
      transformY<F>(plan, m, plan.tilePanelStride(), epilogue, p, 0, tiles, y);
    }
  }
}

/// du[channel][output] (+)= sum over the tiles of v[tile][channel] w[tile][output]: one position, one panel of each.
SPINEGRAD_INLINE void filterPanelProducts(const float* v, const float* w, int64_t tiles, bool first, float* du) {
  int64_t channel = 0;
  for (; channel + rows <= panel; channel += rows) {
    filterProducts<rows>(v + channel, w, tiles, first, du + channel * panel);
  }
  filterProducts<panel % rows>(v + channel, w, tiles, first, du + channel * panel);
}

/// One panel of inputs of one panel of outputs, back from their transform, `stride` a position.
template <class F>
void transformDw(const Winograd& plan, const float* du, int64_t stride, int64_t outputPanel, int64_t inputPanel,
                 float* dw) {
  constexpr int n = F::filters;
  const int64_t step = stride / lanes;
  for (int64_t output = 2 * outputPanel; output < smaller(2 * outputPanel + 2, plan.yBlocks); ++output) {
    for (int64_t input = 2 * inputPanel; input < smaller(2 * inputPanel + 2, plan.xBlocks); ++input) {
      for (int64_t i = 0; i < lanes; ++i) {
        const float* from = du + (input % 2 * lanes + i) * panel + output % 2 * lanes;
        float* to = dw + ((output * plan.xBlocks + input) * 9 * lanes + i) * lanes;
        square<n, 3>(F::filterBack, reinterpret_cast<const Vector*>(from), n * step, step,
                     reinterpret_cast<Vector*>(to), 3 * lanes, lanes);
      }
    }
  }
}

template <class F>
void wgradOf(const Winograd& plan, const float* x, const float* dy, float* scratch, float* dw) {
  constexpr int n = F::points, f = F::filters;
  const int64_t xPanels = plan.xPanels(), yPanels = plan.yPanels(), panelStride = plan.blockTiles * panel;
  const bool pairwise = plan.filtersFirst();
  const int64_t stride = pairwise ? plan.filterPairStride() : plan.filterStride();
  float* v = scratch;
  float* w = v + plan.xStride() * n * n;
  float* du = w + plan.yStride() * n * n;
#pragma omp parallel
  {
    const auto multiplyPanels = [&](int64_t filter, int64_t output, int64_t input, int64_t count, bool first,
                                    float* to) {
      const int64_t top = filter / f, left = filter % f;
      for (int64_t row = top; row < (top < f - 1 ? top + 1 : n); ++row) {
        for (int64_t column = left; column < (left < f - 1 ? left + 1 : n); ++column) {
          const int64_t position = row * n + column;
          filterPanelProducts(v + position * plan.xStride() + input * panelStride,
                              w + position * plan.yStride() + output * panelStride, count,
                              first && row == top && column == left, to);
        }
      }
    };
    for (int64_t block = 0; block < plan.blocks(); ++block) {
      const int64_t first = block * plan.blockTiles, count = smaller(plan.blockTiles, plan.tiles() - first);
#pragma omp for schedule(static)
      for (int64_t task = 0; task < xPanels + yPanels; ++task) {
        if (task < xPanels) {
          transformX<F>(plan, x, task, first, count, v, plan.xStride());
        } else {
          transformDy<F>(plan, dy, task - xPanels, first, count, w, plan.yStride());
        }
      }
      if (pairwise) break;
        // One by one: the last filters have more positions than the first.
#pragma omp for collapse(2) schedule(static, 1)
      for (int64_t filter = 0; filter < f * f; ++filter) {
        for (int64_t output = 0; output < yPanels; ++output) {
          for (int64_t input = 0; input < xPanels; ++input) {
            multiplyPanels(filter, output, input, count, block == 0,
                           du + filter * stride + (output * xPanels + input) * panel * panel);
          }
        }
      }
    }
    float* own = du + omp_get_thread_num() * stride * f * f;
#pragma omp for collapse(2) schedule(static)
    for (int64_t output = 0; output < yPanels; ++output) {
      for (int64_t input = 0; input < xPanels; ++input) {
        if (pairwise) {
          for (int64_t filter = 0; filter < f * f; ++filter) {
            multiplyPanels(filter, output, input, plan.tiles(), true, own + filter * stride);
          }
        }
        transformDw<F>(plan, pairwise ? own : du + (output * xPanels + input) * panel * panel, stride, output, input,
                       dw);
      }
    }
  }
}

template <class F>
void fpropOf(const Winograd& plan, const float* x, const float* w, bool turned, const Epilogue& epilogue,
             float* scratch, float* y) {
  plan.filtersFirst() ? filtersFirst<F>(plan, x, w, turned, epilogue, scratch, y)
                      : tilesFirst<F>(plan, x, w, turned, epilogue, scratch, y);
}

void fprop(const Winograd& plan, const float* x, const float* w, bool turned, const Epilogue& epilogue, float* scratch,
           float* y) {
  switch (plan.transforms) {
    case Transforms::F4x3:
      return fpropOf<F4x3<Vector>>(plan, x, w, turned, epilogue, scratch, y);
    case Transforms::F3x3:
      return fpropOf<F3x3<Vector>>(plan, x, w, turned, epilogue, scratch, y);
    case Transforms::F3x3Strided:
      return fpropOf<F3x3Strided<Vector>>(plan, x, w, turned, epilogue, scratch, y);
    case Transforms::F3x3StridedBack:
      return fpropOf<F3x3StridedBack<Vector>>(plan, x, w, turned, epilogue, scratch, y);
  }
}

void wgrad(const Winograd& plan, const float* x, const float* dy, float* scratch, float* dw) {
  switch (plan.transforms) {
    case Transforms::F4x3:
      return wgradOf<F4x3<Vector>>(plan, x, dy, scratch, dw);
    case Transforms::F3x3:
      return wgradOf<F3x3<Vector>>(plan, x, dy, scratch, dw);
    default:
      return wgradOf<F3x3Strided<Vector>>(plan, x, dy, scratch, dw);
  }
}

}  // namespace
}  // namespace spinegrad::cpu

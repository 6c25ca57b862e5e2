// Winograd's passes for one vector length: included by winograd8.cpp and winograd16.cpp, which are compiled for AVX2
// and for AVX-512. See winogradKernels.h for the method.
//
// Nothing from the standard library is used here: the linker would keep one copy of an inline function, perhaps the
// one that the processor at hand cannot run.

#include <omp.h>

#include "native/cpu/winogradKernels.h"
#include "native/cpu/winogradTransforms.h"

namespace spinegrad::cpu {
namespace {

constexpr int64_t lanes = SPINEGRAD_LANES;
constexpr int64_t panel = 2 * lanes;
/// Rows of the matrix product kept in registers: 12 of 16 vectors with AVX2, 24 of 32 with AVX-512.
constexpr int64_t rows = lanes == 16 ? 12 : 6;

using Vector = float __attribute__((vector_size(4 * lanes)));

SPINEGRAD_INLINE Vector load(const float* from) { return *reinterpret_cast<const Vector*>(from); }
SPINEGRAD_INLINE void store(float* to, Vector value) { *reinterpret_cast<Vector*>(to) = value; }
SPINEGRAD_INLINE int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

struct Place {
  int64_t image, top, left;  ///< of the output tile
};

SPINEGRAD_INLINE Place placeOf(const Winograd& plan, int64_t tile) {
  const int64_t across = tile % plan.tilesAcross, rest = tile / plan.tilesAcross;
  return {rest / plan.tilesDown, rest % plan.tilesDown * plan.outputs, across * plan.outputs};
}

/// The size x size pixels at (top, left) of one channel block's image, zeros outside.
template <int size>
SPINEGRAD_INLINE void loadTile(const float* image, int64_t height, int64_t width, int64_t top, int64_t left,
                               Vector* tile) {
  if (top >= 0 && left >= 0 && top + size <= height && left + size <= width) {
    for (int row = 0; row < size; ++row) {
      const float* from = image + ((top + row) * width + left) * lanes;
      for (int column = 0; column < size; ++column) tile[row * size + column] = load(from + column * lanes);
    }
    return;
  }
  for (int row = 0; row < size; ++row) {
    for (int column = 0; column < size; ++column) {
      const int64_t y = top + row, x = left + column;
      const bool inside = y >= 0 && y < height && x >= 0 && x < width;
      tile[row * size + column] = inside ? load(image + (y * width + x) * lanes) : Vector{};
    }
  }
}

/// One channel block of tiles [first, first + count) of x, transformed: to[position][panel][tile].
template <class F>
void transformX(const Winograd& plan, const float* x, int64_t block, int64_t first, int64_t count, float* to) {
  constexpr int n = F::points;
  const int64_t stride = plan.xStride();
  float* v = to + (block / 2) * plan.blockTiles * panel + block % 2 * lanes;
  for (int64_t tile = 0; tile < count; ++tile, v += panel) {
    const Place place = placeOf(plan, first + tile);
    Vector d[n * n], transformed[n * n];
    if (block < plan.xBlocks) {
      loadTile<n>(x + (place.image * plan.xBlocks + block) * plan.xHeight * plan.xWidth * lanes, plan.xHeight,
                  plan.xWidth, place.top - plan.padH, place.left - plan.padW, d);
    } else {
      for (Vector& pixel : d) pixel = Vector{};
    }
    square<n, n>(F::input, d, transformed);
    for (int position = 0; position < n * n; ++position) store(v + position * stride, transformed[position]);
  }
}

/// The same of dy, by the transposed output transform.
template <class F>
void transformDy(const Winograd& plan, const float* dy, int64_t block, int64_t first, int64_t count, float* to) {
  constexpr int m = F::outputs, n = F::points;
  const int64_t stride = plan.yStride();
  float* v = to + (block / 2) * plan.blockTiles * panel + block % 2 * lanes;
  for (int64_t tile = 0; tile < count; ++tile, v += panel) {
    const Place place = placeOf(plan, first + tile);
    Vector d[m * m], transformed[n * n];
    if (block < plan.yBlocks) {
      loadTile<m>(dy + (place.image * plan.yBlocks + block) * plan.yHeight * plan.yWidth * lanes, plan.yHeight,
                  plan.yWidth, place.top, place.left, d);
    } else {
      for (Vector& pixel : d) pixel = Vector{};
    }
    square<m, n>(F::outputBack, d, transformed);
    for (int position = 0; position < n * n; ++position) store(v + position * stride, transformed[position]);
  }
}

/// One channel block of tiles [first, first + count) of y from their panel's transform, `stride` a position.
template <class F>
void transformY(const Winograd& plan, const float* from, int64_t stride, const float* bias, int64_t block,
                int64_t first, int64_t count, float* y) {
  constexpr int m = F::outputs, n = F::points;
  const float* v = from + block % 2 * lanes;
  const Vector added = bias == nullptr ? Vector{} : load(bias + block * lanes);
  for (int64_t tile = 0; tile < count; ++tile, v += panel) {
    const Place place = placeOf(plan, first + tile);
    Vector transformed[n * n], pixels[m * m];
    for (int position = 0; position < n * n; ++position) transformed[position] = load(v + position * stride);
    square<n, m>(F::output, transformed, pixels);
    float* image = y + (place.image * plan.yBlocks + block) * plan.yHeight * plan.yWidth * lanes;
    const int64_t down = smaller(m, plan.yHeight - place.top), across = smaller(m, plan.yWidth - place.left);
    for (int64_t row = 0; row < down; ++row) {
      float* to = image + ((place.top + row) * plan.yWidth + place.left) * lanes;
      for (int64_t column = 0; column < across; ++column) store(to + column * lanes, pixels[row * m + column] + added);
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

/// One block of inputs of one block of outputs: to[position][input][output].
template <class F>
void transformFilters(const Winograd& plan, const float* w, bool turned, int64_t output, int64_t input, int64_t stride,
                      float* to) {
  constexpr int n = F::points;
  alignas(64) float taps[9][lanes][lanes];  // [tap][input][output]
  const bool real = input < plan.xBlocks && output < plan.yBlocks;
  const int64_t block = turned ? input * plan.yBlocks + output : output * plan.xBlocks + input;
  for (int64_t tap = 0; tap < 9; ++tap) {
    const float* from = w + (block * 9 + (turned ? 8 - tap : tap)) * lanes * lanes;
    for (int64_t i = 0; i < lanes; ++i) {
      for (int64_t o = 0; o < lanes; ++o)
        taps[tap][i][o] = !real ? 0 : turned ? from[o * lanes + i] : from[i * lanes + o];
    }
  }
  for (int64_t i = 0; i < lanes; ++i) {
    Vector g[9], transformed[n * n];
    for (int64_t tap = 0; tap < 9; ++tap) g[tap] = load(taps[tap][i]);
    square<3, n>(F::filter, g, transformed);
    for (int position = 0; position < n * n; ++position)
      store(to + position * stride + i * panel, transformed[position]);
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

template <class F>
void tilesFirst(const Winograd& plan, const float* x, const float* w, bool turned, const float* bias, float* scratch,
                float* y) {
  constexpr int n = F::points;
  const int64_t inputs = 2 * plan.xPanels(), outputs = 2 * plan.yPanels(), filterPanel = inputs * lanes * panel;
  float* u = scratch;
  float* own = u + plan.filterStride() * n * n;
#pragma omp parallel
  {
#pragma omp for collapse(2) schedule(static)
    for (int64_t output = 0; output < outputs; ++output) {
      for (int64_t input = 0; input < inputs; ++input) {
        transformFilters<F>(plan, w, turned, output, input, plan.filterStride(),
                            u + output / 2 * filterPanel + input * lanes * panel + output % 2 * lanes);
      }
    }
    float* v = own + omp_get_thread_num() * (plan.xStride() + plan.yStride()) * n * n;
    float* m = v + plan.xStride() * n * n;
#pragma omp for schedule(static)
    for (int64_t block = 0; block < plan.blocks(); ++block) {
      const int64_t first = block * plan.blockTiles, count = smaller(plan.blockTiles, plan.tiles() - first);
      for (int64_t input = 0; input < inputs; ++input) transformX<F>(plan, x, input, first, count, v);
      for (int64_t position = 0; position < n * n; ++position) {
        for (int64_t p = 0; p < plan.yPanels(); ++p) {
          panelProducts(plan, v + position * plan.xStride(), u + position * plan.filterStride() + p * filterPanel,
                        count, m + position * plan.yStride() + p * plan.blockTiles * panel);
        }
      }
      for (int64_t output = 0; output < plan.yBlocks; ++output) {
        transformY<F>(plan, m + output / 2 * plan.blockTiles * panel, plan.yStride(), bias, output, first, count, y);
      }
    }
  }
}

template <class F>
void filtersFirst(const Winograd& plan, const float* x, const float* w, bool turned, const float* bias, float* scratch,
                  float* y) {
  constexpr int n = F::points;
  const int64_t inputs = 2 * plan.xPanels(), tiles = plan.tiles();
  float* v = scratch;
  float* own = v + plan.xStride() * n * n;
#pragma omp parallel
  {
#pragma omp for schedule(static)
    for (int64_t input = 0; input < inputs; ++input) transformX<F>(plan, x, input, 0, tiles, v);
    float* u = own + omp_get_thread_num() * (plan.filterPanelStride() + plan.tilePanelStride()) * n * n;
    float* m = u + plan.filterPanelStride() * n * n;
#pragma omp for schedule(static)
    for (int64_t p = 0; p < plan.yPanels(); ++p) {
      for (int64_t output = 2 * p; output < 2 * p + 2; ++output) {
        for (int64_t input = 0; input < inputs; ++input) {
          transformFilters<F>(plan, w, turned, output, input, plan.filterPanelStride(),
                              u + input * lanes * panel + output % 2 * lanes);
        }
      }
      for (int64_t position = 0; position < n * n; ++position) {
        panelProducts(plan, v + position * plan.xStride(), u + position * plan.filterPanelStride(), tiles,
                      m + position * plan.tilePanelStride());
      }
      for (int64_t output = 2 * p; output < smaller(2 * p + 2, plan.yBlocks); ++output) {
        transformY<F>(plan, m, plan.tilePanelStride(), bias, output, 0, tiles, y);
      }
    }
  }
}

template <class F>
void wgradOf(const Winograd& plan, const float* x, const float* dy, float* scratch, float* dw) {
  constexpr int n = F::points;
  const int64_t xPanels = plan.xPanels(), yPanels = plan.yPanels(), panelStride = plan.blockTiles * panel;
  float* v = scratch;
  float* w = v + plan.xStride() * n * n;
  float* du = w + plan.yStride() * n * n;
#pragma omp parallel
  {
    for (int64_t block = 0; block < plan.blocks(); ++block) {
      const int64_t first = block * plan.blockTiles, count = smaller(plan.blockTiles, plan.tiles() - first);
#pragma omp for schedule(static)
      for (int64_t task = 0; task < 2 * (xPanels + yPanels); ++task) {
        if (task < 2 * xPanels) {
          transformX<F>(plan, x, task, first, count, v);
        } else {
          transformDy<F>(plan, dy, task - 2 * xPanels, first, count, w);
        }
      }
#pragma omp for collapse(2) schedule(static)
      for (int64_t position = 0; position < n * n; ++position) {
        for (int64_t output = 0; output < yPanels; ++output) {
          const float* dyPanel = w + position * plan.yStride() + output * panelStride;
          for (int64_t input = 0; input < xPanels; ++input) {
            const float* xPanel = v + position * plan.xStride() + input * panelStride;
            float* to = du + position * plan.filterStride() + (output * xPanels + input) * panel * panel;
            int64_t channel = 0;
            for (; channel + rows <= panel; channel += rows) {
              filterProducts<rows>(xPanel + channel, dyPanel, count, block == 0, to + channel * panel);
            }
            filterProducts<panel % rows>(xPanel + channel, dyPanel, count, block == 0, to + channel * panel);
          }
        }
      }
    }
#pragma omp for collapse(2) schedule(static)
    for (int64_t output = 0; output < plan.yBlocks; ++output) {
      for (int64_t input = 0; input < plan.xBlocks; ++input) {
        for (int64_t i = 0; i < lanes; ++i) {
          const float* from = du + ((output / 2 * 2 * xPanels + input) * lanes + i) * panel + output % 2 * lanes;
          Vector transformed[n * n], g[9];
          for (int position = 0; position < n * n; ++position) {
            transformed[position] = load(from + position * plan.filterStride());
          }
          square<n, 3>(F::filterBack, transformed, g);
          float* to = dw + ((output * plan.xBlocks + input) * 9 * lanes + i) * lanes;
          for (int64_t tap = 0; tap < 9; ++tap) store(to + tap * lanes * lanes, g[tap]);
        }
      }
    }
  }
}

template <class F>
void fpropOf(const Winograd& plan, const float* x, const float* w, bool turned, const float* bias, float* scratch,
             float* y) {
  plan.filtersFirst() ? filtersFirst<F>(plan, x, w, turned, bias, scratch, y)
                      : tilesFirst<F>(plan, x, w, turned, bias, scratch, y);
}

void fprop(const Winograd& plan, const float* x, const float* w, bool turned, const float* bias, float* scratch,
           float* y) {
  plan.outputs == 4 ? fpropOf<F4x3<Vector>>(plan, x, w, turned, bias, scratch, y)
                    : fpropOf<F3x3<Vector>>(plan, x, w, turned, bias, scratch, y);
}

void wgrad(const Winograd& plan, const float* x, const float* dy, float* scratch, float* dw) {
  plan.outputs == 4 ? wgradOf<F4x3<Vector>>(plan, x, dy, scratch, dw) : wgradOf<F3x3<Vector>>(plan, x, dy, scratch, dw);
}

}  // namespace
}  // namespace spinegrad::cpu

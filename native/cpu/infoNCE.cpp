// infoNCE: contrastive loss of embeddings E [N, D] with integer labels, computed by tiles of S = E E^T / temperature,
// never N x N in memory, neither forward nor backward.
//
// Forward keeps, for each row, the running maximum and sum of exponentials (online log-sum-exp). S is symmetric, so a
// tile S_IJ is computed once and serves the rows of I and, read by columns, the rows of J. Tile pairs are taken in
// rounds: round r holds the pairs with (I + J) mod T = r, in which every row tile stands exactly once. So the pairs of
// a round run in parallel and write to different rows, each row sees its tiles in the same order whatever the number
// of threads, and the result is always the same bits.
//
// Backward computes each tile again. With R rows that have positives, G = R dL/dS has the entries exp(s_ij - Z_i) -
// t_ij where t spreads 1 over the positives of i; rows without positives have Z = infinity, t = 0. dE = (G + G^T) E /
// (R temperature): the tile M = G_IJ + G_JI^T gives dE_I += M E_J and dE_J += M^T E_I. L depends on E only through S,
// of degree 2 in E, so by Euler's theorem dL / d log(1 / temperature) = sum(E * dE) / 2.

#include <dnnl.h>
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <unordered_map>

#include "native/cpu/device.h"
#include "native/cpu/math.h"
#include "native/cpu/memory.h"
#include "native/cpu/simd.h"
#include "native/engine/contracts.h"
#include "native/engine/error.h"

namespace spinegrad::cpu {
namespace {

constexpr int64_t tileSize = 256;
constexpr float infinity = std::numeric_limits<float>::infinity();

SPINEGRAD_SIMD void addToRow(const float* s, int64_t count, float* most, float* sum) {
  float high = *most;
#pragma omp simd reduction(max : high)
  for (int64_t j = 0; j < count; ++j) high = s[j] > high ? s[j] : high;
  const float shift = high == -infinity ? 0 : high;
  float added = 0;
#pragma omp simd reduction(+ : added)
  for (int64_t j = 0; j < count; ++j) added += exponential(s[j] - shift);
  *sum = *sum * exponential(*most - shift) + added;
  *most = high;
}

SPINEGRAD_SIMD void addToColumns(const float* s, int64_t rows, int64_t columns, float* most, float* sum) {
  float shift[tileSize];
  for (int64_t j = 0; j < columns; ++j) shift[j] = most[j];
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < columns; ++j) shift[j] = s[i * columns + j] > shift[j] ? s[i * columns + j] : shift[j];
  }
  for (int64_t j = 0; j < columns; ++j) {
    const float before = most[j];
    most[j] = shift[j];
    shift[j] = shift[j] == -infinity ? 0.0f : shift[j];
    sum[j] *= exponential(before - shift[j]);
  }
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < columns; ++j) sum[j] += exponential(s[i * columns + j] - shift[j]);
  }
}

/// Keeps the similarities of positives; the others become -infinity.
SPINEGRAD_SIMD void keepPositives(const float* s, const int32_t* labels, int32_t label, int64_t count, float* kept) {
  for (int64_t j = 0; j < count; ++j) kept[j] = labels[j] == label ? s[j] : -infinity;
}

/// Adds the similarities of positives to the total of each column; returns that of the row.
SPINEGRAD_SIMD float addPositives(const float* s, const int32_t* labels, int32_t label, int64_t count, float* totals) {
  float total = 0;
#pragma omp simd reduction(+ : total)
  for (int64_t j = 0; j < count; ++j) {
    const float positive = labels[j] == label ? s[j] : 0.0f;
    totals[j] += positive;
    total += positive;
  }
  return total;
}

/// s becomes G_ij + G_ji, but for the part of the positives.
SPINEGRAD_SIMD void gradientRow(float* s, float z, const float* zs, int64_t count) {
  for (int64_t j = 0; j < count; ++j) s[j] = exponential(s[j] - z) + exponential(s[j] - zs[j]);
}

SPINEGRAD_SIMD void subtractShare(float* m, const int32_t* labels, int32_t label, float share, int64_t count) {
  for (int64_t j = 0; j < count; ++j) m[j] -= labels[j] == label ? share : 0.0f;
}

SPINEGRAD_SIMD void subtractPositives(const float* positive, float z, const float* zs, int64_t count, float* m) {
  for (int64_t j = 0; j < count; ++j) m[j] -= exponential(positive[j] - z) + exponential(positive[j] - zs[j]);
}

SPINEGRAD_SIMD double dotOf(const float* a, const float* b, int64_t count) {
  double total = 0;
#pragma omp simd reduction(+ : total)
  for (int64_t i = 0; i < count; ++i) total += static_cast<double>(a[i]) * b[i];
  return total;
}

/// What both passes read of a call: in: embeddings, labels, log scale or none.
struct Problem {
  const int64_t rows, depth;
  const float* embeddings;
  const int32_t* labels;
  const bool inside;
  /// 1 / temperature.
  float scale;
  std::unordered_map<int32_t, int64_t> rowsOfLabel;
  /// Rows that have a positive.
  int64_t counted = 0;

  explicit Problem(const Call& call)
      : rows(call.in(0).shape[0]),
        depth(call.in(0).shape[1]),
        embeddings(read<float>(call.in(0))),
        labels(read<int32_t>(call.in(1))),
        inside(InfoNCEAttributes(call).meanInside),
        scale(call.hasIn(2) ? std::exp(*read<float>(call.in(2)))
                            : static_cast<float>(1 / InfoNCEAttributes(call).temperature)) {
    for (int64_t i = 0; i < rows; ++i) ++rowsOfLabel[labels[i]];
    for (int64_t i = 0; i < rows; ++i) counted += positives(i) > 0;
  }

  int64_t positives(int64_t row) const { return rowsOfLabel.at(labels[row]) - 1; }
  int64_t tiles() const { return (rows + tileSize - 1) / tileSize; }
};

/// A tile of S: rows i0.. by columns j0.., in memory of one thread.
struct Tile {
  int64_t i0, j0, rows, columns;
  float *s, *positive;

  bool diagonal() const { return i0 == j0; }
};

/// Calls visit(tile) for all pairs of row tiles I <= J, round by round.
template <class Visit>
void visitTiles(const Problem& problem, Visit visit) {
  const int64_t tiles = problem.tiles();
  const size_t area = tileSize * tileSize;
  Workspace<float> memory(static_cast<size_t>(omp_get_max_threads()) * area * (problem.inside ? 2 : 1));
  bool failed = false;
  for (int64_t round = 0; round < tiles; ++round) {
    // Dynamic: which thread takes a pair changes nothing but the time.
#pragma omp parallel for schedule(dynamic) reduction(|| : failed)
    for (int64_t first = 0; first < tiles; ++first) {
      const int64_t second = (round - first + tiles) % tiles;
      if (second < first) continue;
      Tile tile{first * tileSize, second * tileSize, 0, 0, nullptr, nullptr};
      tile.rows = std::min(tileSize, problem.rows - tile.i0);
      tile.columns = std::min(tileSize, problem.rows - tile.j0);
      tile.s = memory.data() + static_cast<size_t>(omp_get_thread_num()) * area * (problem.inside ? 2 : 1);
      tile.positive = tile.s + area;
      const int64_t depth = problem.depth;
      failed |=
          dnnl_sgemm('N', 'T', tile.rows, tile.columns, depth, problem.scale, problem.embeddings + tile.i0 * depth,
                     depth, problem.embeddings + tile.j0 * depth, depth, 0, tile.s, tile.columns) != dnnl_success;
      if (tile.diagonal()) {
        for (int64_t i = 0; i < tile.rows; ++i) tile.s[i * tile.columns + i] = -infinity;
      }
      if (problem.inside) {
        for (int64_t i = 0; i < tile.rows; ++i) {
          keepPositives(tile.s + i * tile.columns, problem.labels + tile.j0, problem.labels[tile.i0 + i], tile.columns,
                        tile.positive + i * tile.columns);
        }
      }
      failed |= !visit(tile);
    }
  }
  if (failed) throw Error("ERR_INTERNAL", "infoNCE: a matrix product failed");
}

/// Online log-sum-exp of every row.
struct LogSums {
  explicit LogSums(int64_t rows) : most(static_cast<size_t>(rows)), sum(static_cast<size_t>(rows)) {
    std::fill_n(most.data(), rows, -infinity);
    std::fill_n(sum.data(), rows, 0.0f);
  }

  void add(const Tile& tile, const float* values) {
    for (int64_t i = 0; i < tile.rows; ++i) {
      addToRow(values + i * tile.columns, tile.columns, most.data() + tile.i0 + i, sum.data() + tile.i0 + i);
    }
    if (tile.diagonal()) return;
    addToColumns(values, tile.rows, tile.columns, most.data() + tile.j0, sum.data() + tile.j0);
  }

  float result(int64_t row) const { return most[static_cast<size_t>(row)] + logarithm(sum[static_cast<size_t>(row)]); }

  Workspace<float> most, sum;
};

void addSimilarities(const Problem& problem, const Tile& tile, float* totals) {
  for (int64_t i = 0; i < tile.rows; ++i) {
    const int64_t first = tile.diagonal() ? i + 1 : 0;  // each pair once
    totals[tile.i0 + i] += addPositives(tile.s + i * tile.columns + first, problem.labels + tile.j0 + first,
                                        problem.labels[tile.i0 + i], tile.columns - first, totals + tile.j0 + first);
  }
}

/// out: loss [1], Z [N], log-sum-exp of the positives [N] (mean inside) or none.
void forward(const Call& call) {
  const Problem problem(call);
  if (problem.counted == 0) {
    throw Error("ERR_NO_POSITIVES", "infoNCE(): labels: no two of the " + std::to_string(problem.rows) +
                                        " rows have the same label, so there is nothing to attract; give each row at "
                                        "least one other of its label in some batch");
  }
  LogSums all(problem.rows), positive(problem.inside ? problem.rows : 0);
  Workspace<float> similarity(static_cast<size_t>(problem.rows));
  std::fill_n(similarity.data(), problem.rows, 0.0f);
  visitTiles(problem, [&](const Tile& tile) {
    all.add(tile, tile.s);
    if (problem.inside) {
      positive.add(tile, tile.positive);
    } else {
      addSimilarities(problem, tile, similarity.data());
    }
    return true;
  });
  float* z = write<float>(call.out(1));
  float* zPositive = problem.inside ? write<float>(call.out(2)) : nullptr;
  double loss = 0;
  for (int64_t i = 0; i < problem.rows; ++i) {
    const int64_t count = problem.positives(i);
    z[i] = count > 0 ? all.result(i) : infinity;
    if (problem.inside) zPositive[i] = count > 0 ? positive.result(i) : infinity;
    if (count == 0) continue;
    loss +=
        problem.inside ? z[i] - zPositive[i] : z[i] - similarity[static_cast<size_t>(i)] / static_cast<double>(count);
  }
  *write<float>(call.out(0)) = static_cast<float>(loss / static_cast<double>(problem.counted));
}

/// in: embeddings, labels, log scale or none, Z, Z of the positives or none, dy [1];
/// out: gradient of the embeddings, gradient of the log scale or none.
void backward(const Call& call) {
  const Problem problem(call);
  const float* z = read<float>(call.in(3));
  const float* zPositive = problem.inside ? read<float>(call.in(4)) : nullptr;
  const float factor = *read<float>(call.in(5)) * problem.scale / static_cast<float>(problem.counted);
  const int64_t depth = problem.depth;
  float* gradient = write<float>(call.out(0));
  std::fill_n(gradient, problem.rows * depth, 0.0f);
  visitTiles(problem, [&](const Tile& tile) {
    for (int64_t i = 0; i < tile.rows; ++i) {
      float* m = tile.s + i * tile.columns;
      const int64_t row = tile.i0 + i;
      gradientRow(m, z[row], z + tile.j0, tile.columns);
      if (problem.inside) {
        subtractPositives(tile.positive + i * tile.columns, zPositive[row], zPositive + tile.j0, tile.columns, m);
      } else if (problem.positives(row) > 0) {
        const float share = 2 / static_cast<float>(problem.positives(row));
        subtractShare(m, problem.labels + tile.j0, problem.labels[row], share, tile.columns);
      }
      if (tile.diagonal()) m[i] = 0;
    }
    const auto accumulate = [&](char transposed, int64_t rows, int64_t inner, int64_t from, int64_t to) {
      return dnnl_sgemm(transposed, 'N', rows, depth, inner, factor, tile.s, tile.columns,
                        problem.embeddings + from * depth, depth, 1, gradient + to * depth, depth) == dnnl_success;
    };
    return accumulate('N', tile.rows, tile.columns, tile.j0, tile.i0) &&
           (tile.diagonal() || accumulate('T', tile.columns, tile.rows, tile.i0, tile.j0));
  });
  if (!call.hasOut(1)) return;
  double dot = 0;
  for (int64_t i = 0; i < problem.rows; ++i) {
    dot += dotOf(problem.embeddings + i * depth, gradient + i * depth, depth);
  }
  *write<float>(call.out(1)) = static_cast<float>(dot / 2);
}

const Register registerForward("infoNCE.forward", forward);
const Register registerBackward("infoNCE.backward", backward);

}  // namespace
}  // namespace spinegrad::cpu

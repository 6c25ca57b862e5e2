// infoNCE: contrastive loss of embeddings E [N, D] with integer labels, computed by tiles of S = E E^T / temperature,
// never N x N in memory, neither forward nor backward.
//
// Forward gathers the sum of exponentials of each row. S is symmetric, so a tile S_IJ is computed once and serves the
// rows of I and, read by columns, the rows of J. Tile pairs are taken in rounds: round r holds the pairs with (I + J)
// mod T = r, in which every row tile stands exactly once. So the pairs of a round run in parallel and write to
// different rows, each row sees its tiles in the order of the rounds whatever the number of threads, and the result is
// always the same bits.
//
// Backward computes each tile again. With R rows that have positives, G = R dL/dS has the entries exp(s_ij - Z_i) -
// t_ij where t spreads 1 over the positives of i; rows without positives have Z = infinity, t = 0. dE = (G + G^T) E /
// (R temperature): the tile M = G_IJ + G_JI^T gives dE_I += M E_J and dE_J += M^T E_I. L depends on E only through S,
// of degree 2 in E, so by Euler's theorem dL / d log(1 / temperature) = sum(E * dE) / 2.
//
// Two things are cheaper than that sounds. With the mean outside, positives come in by the sum of the embeddings of a
// label, in O(N D). And where no |s| can pass 60, which the lengths of the embeddings tell, exp(s) itself is a float
// with room for its sums: one exponential then serves a row and a column. Otherwise sums are kept relative to each
// row's maximum so far (online log-sum-exp).

#include <omp.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <unordered_map>
#include <vector>

#include "native/cpu/ops/tiles.h"
#include "native/cpu/runtime/device.h"
#include "native/cpu/runtime/math.h"
#include "native/cpu/runtime/memory.h"
#include "native/cpu/runtime/simd.h"
#include "native/engine/contracts.h"
#include "native/engine/error.h"

namespace spinegrad::cpu {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr double largestPlain = 60;

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
    for (int64_t j = 0; j < columns; ++j)
      shift[j] = s[i * tileStride + j] > shift[j] ? s[i * tileStride + j] : shift[j];
  }
  for (int64_t j = 0; j < columns; ++j) {
    const float before = most[j];
    most[j] = shift[j];
    shift[j] = shift[j] == -infinity ? 0.0f : shift[j];
    sum[j] *= exponential(before - shift[j]);
  }
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < columns; ++j) sum[j] += exponential(s[i * tileStride + j] - shift[j]);
  }
}

/// Adds exp(s) to the sums of both.
SPINEGRAD_SIMD void addPlain(const float* s, int64_t rows, int64_t columns, float* rowSums, float* columnSums) {
  for (int64_t i = 0; i < rows; ++i) {
    float total = 0;
#pragma omp simd reduction(+ : total)
    for (int64_t j = 0; j < columns; ++j) {
      const float e = exponential(s[i * tileStride + j]);
      columnSums[j] += e;
      total += e;
    }
    rowSums[i] += total;
  }
}

/// Keeps the similarities of positives; the others become -infinity.
SPINEGRAD_SIMD void keepPositives(const float* s, const int32_t* labels, int32_t label, int64_t count, float* kept) {
  for (int64_t j = 0; j < count; ++j) kept[j] = labels[j] == label ? s[j] : -infinity;
}

/// s becomes G_ij + G_ji, but for the part of the positives.
SPINEGRAD_SIMD void gradientRow(float* s, float z, const float* zs, int64_t count) {
  for (int64_t j = 0; j < count; ++j) s[j] = exponential(s[j] - z) + exponential(s[j] - zs[j]);
}

/// The same of a whole tile, given exp(-Z).
SPINEGRAD_SIMD void gradientPlain(float* s, int64_t rows, int64_t columns, const float* w, const float* ws) {
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < columns; ++j) {
      s[i * tileStride + j] = exponential(s[i * tileStride + j]) * (w[i] + ws[j]);
    }
  }
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

SPINEGRAD_SIMD void addTo(const float* x, int64_t count, float* sum) {
  for (int64_t i = 0; i < count; ++i) sum[i] += x[i];
}

/// gradient = factor (gradient - share (all - own)).
SPINEGRAD_SIMD void finishRow(float factor, float share, const float* all, const float* own, int64_t count,
                              float* gradient) {
  for (int64_t i = 0; i < count; ++i) gradient[i] = factor * (gradient[i] - share * (all[i] - own[i]));
}

SPINEGRAD_SIMD void inverseRow(const float* z, int64_t count, float* inverse) {
  for (int64_t i = 0; i < count; ++i) inverse[i] = exponential(-z[i]);
}

/// What both passes read.
struct Problem {
  const int64_t rows, depth;
  const float* embeddings;
  const int32_t* labels;
  const bool inside;
  /// 1 / temperature.
  float scale;
  /// Number of each row's label, in order of appearance, and how many rows have it.
  std::vector<int64_t> group, members;
  /// Of each row's embedding.
  std::vector<double> squares;
  /// Rows that have a positive.
  int64_t counted = 0;
  /// Whether exp(s) is taken as it is.
  bool plain = false;

  template <class Op>
  explicit Problem(const Op& op)
      : rows(op.embeddings.shape[0]),
        depth(op.embeddings.shape[1]),
        embeddings(read<float>(op.embeddings)),
        labels(read<int32_t>(op.labels)),
        inside(op.mean == PositivesMean::inside),
        scale(op.logScale != nullptr ? std::exp(*read<float>(*op.logScale)) : static_cast<float>(1 / op.temperature)) {
    std::unordered_map<int32_t, int64_t> numbers;
    double longest = 0;
    bool comparable = true;
    for (int64_t i = 0; i < rows; ++i) {
      const auto [found, added] = numbers.try_emplace(labels[i], static_cast<int64_t>(members.size()));
      if (added) members.push_back(0);
      group.push_back(found->second);
      ++members[static_cast<size_t>(found->second)];
      const double square = squares.emplace_back(dotOf(embedding(i), embedding(i), depth));
      comparable &= square <= std::numeric_limits<float>::max();
      longest = std::max(longest, square);
    }
    for (int64_t i = 0; i < rows; ++i) counted += positives(i) > 0;
    plain = !inside && comparable && longest * scale <= largestPlain;
  }

  const float* embedding(int64_t row) const { return embeddings + row * depth; }
  int64_t positives(int64_t row) const { return members[static_cast<size_t>(group[static_cast<size_t>(row)])] - 1; }
};

/// Of each label, the sum of its embeddings.
struct LabelSums {
  explicit LabelSums(const Problem& problem)
      : problem_(problem), sums_(problem.members.size() * static_cast<size_t>(problem.depth)) {}

  void fill() const {
    std::fill_n(sums_.data(), problem_.members.size() * static_cast<size_t>(problem_.depth), 0.0f);
    for (int64_t i = 0; i < problem_.rows; ++i) addTo(problem_.embedding(i), problem_.depth, of(i));
  }
  float* of(int64_t row) const { return sums_.data() + problem_.group[static_cast<size_t>(row)] * problem_.depth; }

 private:
  const Problem& problem_;
  Workspace<float> sums_;
};

/// A tile of S: rows i0.. by columns j0.., in memory of one thread.
struct Tile {
  int64_t I, J, i0, j0, rows, columns;
  float *s, *positive;

  bool diagonal() const { return I == J; }
};

/// How many rounds each row tile has seen. Nobody waits for a whole round to end.
class Rounds {
 public:
  explicit Rounds(int64_t tiles) : seen_(static_cast<size_t>(tiles)) {}

  void await(int64_t tile, int64_t round) {
    std::atomic<int64_t>& seen = seen_[static_cast<size_t>(tile)];
    for (int64_t past = seen.load(); past < round; past = seen.load()) seen.wait(past);
  }
  void finish(int64_t tile, int64_t round) {
    seen_[static_cast<size_t>(tile)].store(round + 1);
    seen_[static_cast<size_t>(tile)].notify_all();
  }

 private:
  std::vector<std::atomic<int64_t>> seen_;
};

/// Calls begin(I) for each row tile, then visit(tile) for all pairs of row tiles I <= J, for each row tile in the order
/// of the rounds; last, with the sums of the labels, finish(i) for each row. All in one parallel region: to wake its
/// threads costs as much as several tiles.
template <class Begin, class Visit, class Finish>
void visitTiles(const Problem& problem, const Tiles& tiles, const LabelSums& labelSums, Begin begin, Visit visit,
                Finish finish) {
  const auto area = static_cast<size_t>(tileFloats) * (problem.inside ? 2 : 1);
  Workspace<float> memory(static_cast<size_t>(omp_get_max_threads()) * area);
  const int64_t count = tiles.count();
  Rounds rounds(count);
  std::atomic<int64_t> next = 0;
#pragma omp parallel
  {
#pragma omp single nowait
    labelSums.fill();
    for (int64_t index = next++; index < count * count; index = next++) {
      // Whoever waits waits for a pair that was taken before.
      const int64_t round = index / count, first = index % count, second = (round - first + count) % count;
      if (second < first) continue;
      rounds.await(first, round);
      rounds.await(second, round);
      Tile tile{first,   second, first * tileSize, second * tileSize, tiles.rowsOf(first), tiles.rowsOf(second),
                nullptr, nullptr};
      tile.s = memory.data() + static_cast<size_t>(omp_get_thread_num()) * area;
      tile.positive = tile.s + tileFloats;
      if (round == 0) {
        begin(first);
        if (second != first) begin(second);
      }
      tiles.similarities(first, second, problem.scale, tile.s);
      if (tile.diagonal()) {
        for (int64_t i = 0; i < tile.rows; ++i) tile.s[i * tileStride + i] = -infinity;
      }
      if (problem.inside) {
        for (int64_t i = 0; i < tile.rows; ++i) {
          keepPositives(tile.s + i * tileStride, problem.labels + tile.j0, problem.labels[tile.i0 + i], tile.columns,
                        tile.positive + i * tileStride);
        }
      }
      visit(tile);
      rounds.finish(first, round);
      if (second != first) rounds.finish(second, round);
    }
#pragma omp barrier
#pragma omp for schedule(static)
    for (int64_t i = 0; i < problem.rows; ++i) finish(i);
  }
}

/// Log-sum-exp of every row: online, or plain and then relative to 0.
struct LogSums {
  LogSums(int64_t rows, bool plain) : plain_(plain), most_(static_cast<size_t>(rows)), sum_(static_cast<size_t>(rows)) {
    std::fill_n(most_.data(), rows, plain ? 0.0f : -infinity);
    std::fill_n(sum_.data(), rows, 0.0f);
  }

  void add(const Tile& tile, const float* values) {
    float *most = most_.data(), *sum = sum_.data();
    if (plain_) {
      float unused[tileSize] = {};
      return addPlain(values, tile.rows, tile.columns, sum + tile.i0, tile.diagonal() ? unused : sum + tile.j0);
    }
    for (int64_t i = 0; i < tile.rows; ++i) {
      addToRow(values + i * tileStride, tile.columns, most + tile.i0 + i, sum + tile.i0 + i);
    }
    if (!tile.diagonal()) addToColumns(values, tile.rows, tile.columns, most + tile.j0, sum + tile.j0);
  }

  float result(int64_t row) const {
    return most_[static_cast<size_t>(row)] + logarithm(sum_[static_cast<size_t>(row)]);
  }

 private:
  const bool plain_;
  Workspace<float> most_, sum_;
};

void forward(const InfoNCEForward& op) {
  const Problem problem(op);
  if (problem.counted == 0) {
    throw Error("ERR_NO_POSITIVES", "infoNCE(): labels: no two of the " + std::to_string(problem.rows) +
                                        " rows have the same label, so there is nothing to attract; give each row at "
                                        "least one other of its label in some batch");
  }
  LogSums all(problem.rows, problem.plain), positive(problem.inside ? problem.rows : 0, false);
  float* z = write<float>(op.logSum);
  float* zPositive = problem.inside ? write<float>(*op.positiveLogSum) : nullptr;
  const Tiles tiles(problem.embeddings, problem.rows, problem.depth, false);
  const LabelSums labelSums(problem);
  Workspace<double> terms(static_cast<size_t>(problem.rows));
  visitTiles(
      problem, tiles, labelSums, [&](int64_t I) { tiles.load(I); },
      [&](const Tile& tile) {
        all.add(tile, tile.s);
        if (problem.inside) positive.add(tile, tile.positive);
      },
      [&](int64_t i) {
        const auto row = static_cast<size_t>(i);
        const int64_t count = problem.positives(i);
        z[i] = count > 0 ? all.result(i) : infinity;
        if (problem.inside) zPositive[i] = count > 0 ? positive.result(i) : infinity;
        if (count == 0) {
          terms[row] = 0;
        } else if (problem.inside) {
          terms[row] = z[i] - zPositive[i];
        } else {
          const double others = dotOf(problem.embedding(i), labelSums.of(i), problem.depth) - problem.squares[row];
          terms[row] = z[i] - problem.scale * others / static_cast<double>(count);
        }
      });
  const double loss = std::accumulate(terms.data(), terms.data() + problem.rows, 0.0);
  *write<float>(op.loss) = static_cast<float>(loss / static_cast<double>(problem.counted));
}

void backward(const InfoNCEBackward& op) {
  const Problem problem(op);
  const float* z = read<float>(op.logSum);
  const float* zPositive = problem.inside ? read<float>(*op.positiveLogSum) : nullptr;
  const float factor = *read<float>(op.dy) * problem.scale / static_cast<float>(problem.counted);
  const int64_t depth = problem.depth;
  float* gradient = write<float>(op.dEmbeddings);
  const Tiles tiles(problem.embeddings, problem.rows, depth, true);
  const LabelSums labelSums(problem);
  Workspace<float> sums(static_cast<size_t>(tiles.count() * tiles.sumFloats())),
      inverse(static_cast<size_t>(problem.rows));
  Workspace<double> dots(op.dLogScale != nullptr ? static_cast<size_t>(problem.rows) : 0);
  const auto sumOf = [&](int64_t I) { return sums.data() + I * tiles.sumFloats(); };
  visitTiles(
      problem, tiles, labelSums,
      [&](int64_t I) {
        tiles.load(I);
        std::fill_n(sumOf(I), tiles.sumFloats(), 0.0f);
        inverseRow(z + I * tileSize, tiles.rowsOf(I), inverse.data() + I * tileSize);
      },
      [&](const Tile& tile) {
        if (problem.plain) {
          gradientPlain(tile.s, tile.rows, tile.columns, inverse.data() + tile.i0, inverse.data() + tile.j0);
        } else {
          for (int64_t i = 0; i < tile.rows; ++i) {
            float* m = tile.s + i * tileStride;
            gradientRow(m, z[tile.i0 + i], z + tile.j0, tile.columns);
            if (problem.inside) {
              subtractPositives(tile.positive + i * tileStride, zPositive[tile.i0 + i], zPositive + tile.j0,
                                tile.columns, m);
            }
          }
        }
        tiles.multiply(tile.s, tile.I, tile.J, false, sumOf(tile.I));
        if (!tile.diagonal()) tiles.multiply(tile.s, tile.I, tile.J, true, sumOf(tile.J));
      },
      [&](int64_t i) {
        float* own = gradient + i * depth;
        tiles.row(sumOf(i / tileSize), i % tileSize, own);
        const bool pulled = !problem.inside && problem.positives(i) > 0;
        const float share = pulled ? 2 / static_cast<float>(problem.positives(i)) : 0;
        finishRow(factor, share, labelSums.of(i), problem.embedding(i), depth, own);
        if (op.dLogScale != nullptr) dots[static_cast<size_t>(i)] = dotOf(problem.embedding(i), own, depth);
      });
  if (op.dLogScale == nullptr) return;
  const double dot = std::accumulate(dots.data(), dots.data() + problem.rows, 0.0);
  *write<float>(*op.dLogScale) = static_cast<float>(dot / 2);
}

const Register<forward> registerForward("infoNCE.forward");
const Register<backward> registerBackward("infoNCE.backward");

}  // namespace
}  // namespace spinegrad::cpu

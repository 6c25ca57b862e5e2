// infoNCE: the contrastive loss of embeddings E [N, D] with integer labels (Khosla et al., "Supervised Contrastive
// Learning", NeurIPS 2020), computed by tiles of the similarities S = E E^T / temperature. Neither forward nor backward
// stores an N x N matrix.
//
// Forward sums the exponentials of each row. S is symmetric, so a tile S_IJ is computed once and adds to the rows of I
// and, read by columns, to the rows of J. Tile pairs are processed in T rounds: round r has the pairs with r = (I + J)
// mod T, in which each row tile occurs once. The pairs of a round thus run in parallel and write to different rows, and
// each row is summed in the order of the rounds, so the result is independent of the number of threads.
//
// Backward computes the tiles again. With R rows that have positives, the entries of G = R dL/dS are
//   g_ij = exp(s_ij - Z_i) - t_ij,  t_ij = 1 / (positives of i) if j is a positive of i, else 0.
// Rows without positives have Z = infinity and t = 0. Because dE = (G + G^T) E / (R temperature), the tile
// M = G_IJ + G_JI^T gives dE_I += M E_J and dE_J += M^T E_I. L is a function of S, which has degree 2 in E, so by
// Euler's theorem dL / d log(1 / temperature) = sum(E * dE) / 2.
//
// Two cases cost less. With the mean outside, the positives are the sums of the embeddings per label, in O(N D). If the
// norms of the embeddings bound |s| by 60, exp(s) and its sums do not overflow; then no row maximum is needed, and one
// exponential serves a row and a column. Otherwise sums are relative to each row's running maximum (online
// log-sum-exp).

#include <omp.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <unordered_map>
#include <vector>

#include "native/cpu/ops/gramTiles.h"
#include "native/cpu/ops/logSum.h"
#include "native/cpu/runtime/device.h"
#include "native/cpu/runtime/math.h"
#include "native/cpu/runtime/memory.h"
#include "native/cpu/runtime/reduce.h"
#include "native/cpu/runtime/simd.h"
#include "native/engine/contracts.h"
#include "native/engine/error.h"

namespace spinegrad::cpu {
namespace {

/// If no |s| exceeds this, exp(s) is summed without a shift.
constexpr double maxUnshifted = 60;

SPINEGRAD_SIMD void addToColumns(const float* s, int64_t rows, int64_t columns, float* max, float* sum) {
  float shift[tileSize];
  for (int64_t j = 0; j < columns; ++j) shift[j] = max[j];
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < columns; ++j)
      shift[j] = s[i * tileStride + j] > shift[j] ? s[i * tileStride + j] : shift[j];
  }
  for (int64_t j = 0; j < columns; ++j) {
    const float before = max[j];
    max[j] = shift[j];
    shift[j] = shift[j] == -infinity ? 0.0f : shift[j];
    sum[j] *= exponential(before - shift[j]);
  }
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < columns; ++j) sum[j] += exponential(s[i * tileStride + j] - shift[j]);
  }
}

/// Adds exp(s) to the sums of rows and columns.
SPINEGRAD_SIMD void addUnshifted(const float* s, int64_t rows, int64_t columns, float* rowSums, float* columnSums) {
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

/// Copies the similarities of positives. The others become -infinity.
SPINEGRAD_SIMD void selectPositives(const float* s, const int32_t* labels, int32_t label, int64_t count, float* to) {
  for (int64_t j = 0; j < count; ++j) to[j] = labels[j] == label ? s[j] : -infinity;
}

/// Replaces s by G_ij + G_ji without the terms of the positives.
SPINEGRAD_SIMD void gradientRow(float* s, float z, const float* zs, int64_t count) {
  for (int64_t j = 0; j < count; ++j) s[j] = exponential(s[j] - z) + exponential(s[j] - zs[j]);
}

/// The same for a tile whose exponentials need no shift. w and ws are exp(-Z).
SPINEGRAD_SIMD void gradientUnshifted(float* s, int64_t rows, int64_t columns, const float* w, const float* ws) {
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < columns; ++j) {
      s[i * tileStride + j] = exponential(s[i * tileStride + j]) * (w[i] + ws[j]);
    }
  }
}

SPINEGRAD_SIMD void subtractPositives(const float* positive, float z, const float* zs, int64_t count, float* m) {
  for (int64_t j = 0; j < count; ++j) m[j] -= exponential(positive[j] - z) + exponential(positive[j] - zs[j]);
}

SPINEGRAD_SIMD void addTo(const float* x, int64_t count, float* sum) {
  for (int64_t i = 0; i < count; ++i) sum[i] += x[i];
}

/// gradient = factor (gradient - weight (labelSum - embedding)).
SPINEGRAD_SIMD void finishRow(float factor, float weight, const float* labelSum, const float* embedding, int64_t count,
                              float* gradient) {
  for (int64_t i = 0; i < count; ++i) gradient[i] = factor * (gradient[i] - weight * (labelSum[i] - embedding[i]));
}

SPINEGRAD_SIMD void inverseRow(const float* z, int64_t count, float* inverse) {
  for (int64_t i = 0; i < count; ++i) inverse[i] = exponential(-z[i]);
}

/// The embeddings and labels of a call.
struct Batch {
  const int64_t rows, features;
  const float* embeddings;
  const int32_t* labels;
  const bool meanInside;
  /// 1 / temperature.
  float scale;
  /// Per row the index of its label, in order of first appearance; per label the number of rows.
  std::vector<int64_t> labelIndex, labelCount;
  /// |E_i|^2.
  std::vector<double> squaredNorms;
  /// Number of rows that have a positive.
  int64_t anchors = 0;
  /// Whether exp(s) is summed without a shift.
  bool unshifted = false;

  template <class Op>
  explicit Batch(const Op& op)
      : rows(op.embeddings.shape[0]),
        features(op.embeddings.shape[1]),
        embeddings(read<float>(op.embeddings)),
        labels(read<int32_t>(op.labels)),
        meanInside(op.mean == PositivesMean::inside),
        scale(op.logScale != nullptr ? std::exp(*read<float>(*op.logScale)) : static_cast<float>(1 / op.temperature)) {
    std::unordered_map<int32_t, int64_t> indices;
    double maxSquaredNorm = 0;
    bool finite = true;
    for (int64_t i = 0; i < rows; ++i) {
      const auto [found, added] = indices.try_emplace(labels[i], static_cast<int64_t>(labelCount.size()));
      if (added) labelCount.push_back(0);
      labelIndex.push_back(found->second);
      ++labelCount[static_cast<size_t>(found->second)];
      const double square = squaredNorms.emplace_back(dotOf(embedding(i), embedding(i), features));
      finite &= square <= std::numeric_limits<float>::max();
      maxSquaredNorm = std::max(maxSquaredNorm, square);
    }
    for (int64_t i = 0; i < rows; ++i) anchors += positives(i) > 0;
    unshifted = !meanInside && finite && maxSquaredNorm * scale <= maxUnshifted;
  }

  const float* embedding(int64_t row) const { return embeddings + row * features; }
  int64_t positives(int64_t row) const {
    return labelCount[static_cast<size_t>(labelIndex[static_cast<size_t>(row)])] - 1;
  }
};

/// The sum of the embeddings of each label.
struct LabelSums {
  explicit LabelSums(const Batch& batch)
      : batch_(batch), sums_(batch.labelCount.size() * static_cast<size_t>(batch.features)) {}

  void fill() const {
    std::fill_n(sums_.data(), batch_.labelCount.size() * static_cast<size_t>(batch_.features), 0.0f);
    for (int64_t i = 0; i < batch_.rows; ++i) addTo(batch_.embedding(i), batch_.features, of(i));
  }
  float* of(int64_t row) const { return sums_.data() + batch_.labelIndex[static_cast<size_t>(row)] * batch_.features; }

 private:
  const Batch& batch_;
  Workspace<float> sums_;
};

/// A tile S_IJ from row i0 and column j0, in the memory of one thread.
struct SimilarityTile {
  int64_t I, J, i0, j0, rows, columns;
  float *s, *positive;

  bool diagonal() const { return I == J; }
};

/// The number of rounds that each row tile has finished. A thread waits for the tiles that it needs, not for all tiles
/// of a round.
class Rounds {
 public:
  explicit Rounds(int64_t tiles) : finished_(static_cast<size_t>(tiles)) {}

  void await(int64_t tile, int64_t round) {
    std::atomic<int64_t>& finished = finished_[static_cast<size_t>(tile)];
    for (int64_t count = finished.load(); count < round; count = finished.load()) finished.wait(count);
  }
  void finish(int64_t tile, int64_t round) {
    finished_[static_cast<size_t>(tile)].store(round + 1);
    finished_[static_cast<size_t>(tile)].notify_all();
  }

 private:
  std::vector<std::atomic<int64_t>> finished_;
};

/// Calls begin(I) for each row tile, then visit(tile) for all pairs I <= J, for each row tile in the order of the
/// rounds, and at the end, when the label sums are complete, finish(i) for each row. There is one parallel region,
/// because waking its threads takes as long as several tiles.
template <class Begin, class Visit, class Finish>
void visitTiles(const Batch& batch, const GramTiles& tiles, const LabelSums& labelSums, Begin begin, Visit visit,
                Finish finish) {
  const auto area = static_cast<size_t>(tileFloats) * (batch.meanInside ? 2 : 1);
  Workspace<float> memory(static_cast<size_t>(omp_get_max_threads()) * area);
  const int64_t count = tiles.count();
  Rounds rounds(count);
  std::atomic<int64_t> next = 0;
#pragma omp parallel
  {
#pragma omp single nowait
    labelSums.fill();
    for (int64_t index = next++; index < count * count; index = next++) {
      // No deadlock: a thread waits only for pairs with a lower index, which other threads have taken already.
      const int64_t round = index / count, first = index % count, second = (round - first + count) % count;
      if (second < first) continue;
      rounds.await(first, round);
      rounds.await(second, round);
      SimilarityTile tile{
          first,   second, first * tileSize, second * tileSize, tiles.rowsOf(first), tiles.rowsOf(second),
          nullptr, nullptr};
      tile.s = memory.data() + static_cast<size_t>(omp_get_thread_num()) * area;
      tile.positive = tile.s + tileFloats;
      if (round == 0) {
        begin(first);
        if (second != first) begin(second);
      }
      tiles.similarities(first, second, batch.scale, tile.s);
      if (tile.diagonal()) {
        for (int64_t i = 0; i < tile.rows; ++i) tile.s[i * tileStride + i] = -infinity;
      }
      if (batch.meanInside) {
        for (int64_t i = 0; i < tile.rows; ++i) {
          selectPositives(tile.s + i * tileStride, batch.labels + tile.j0, batch.labels[tile.i0 + i], tile.columns,
                          tile.positive + i * tileStride);
        }
      }
      visit(tile);
      rounds.finish(first, round);
      if (second != first) rounds.finish(second, round);
    }
#pragma omp barrier
#pragma omp for schedule(static)
    for (int64_t i = 0; i < batch.rows; ++i) finish(i);
  }
}

/// Log-sum-exp of every row, relative to its running maximum or without a shift.
struct LogSums {
  LogSums(int64_t rows, bool unshifted)
      : unshifted_(unshifted), max_(static_cast<size_t>(rows)), sum_(static_cast<size_t>(rows)) {
    std::fill_n(max_.data(), rows, unshifted ? 0.0f : -infinity);
    std::fill_n(sum_.data(), rows, 0.0f);
  }

  void add(const SimilarityTile& tile, const float* values) {
    float *max = max_.data(), *sum = sum_.data();
    if (unshifted_) {
      float unused[tileSize] = {};
      return addUnshifted(values, tile.rows, tile.columns, sum + tile.i0, tile.diagonal() ? unused : sum + tile.j0);
    }
    for (int64_t i = 0; i < tile.rows; ++i) {
      addToRow(values + i * tileStride, tile.columns, max + tile.i0 + i, sum + tile.i0 + i);
    }
    if (!tile.diagonal()) addToColumns(values, tile.rows, tile.columns, max + tile.j0, sum + tile.j0);
  }

  float result(int64_t row) const { return max_[static_cast<size_t>(row)] + logarithm(sum_[static_cast<size_t>(row)]); }

 private:
  const bool unshifted_;
  Workspace<float> max_, sum_;
};

void forward(const InfoNCEForward& op) {
  const Batch batch(op);
  if (batch.anchors == 0) {
    throw Error("ERR_NO_POSITIVES", "infoNCE(): labels: no two of the " + std::to_string(batch.rows) +
                                        " rows have the same label, so there is nothing to attract; give each row at "
                                        "least one other of its label in some batch");
  }
  LogSums rows(batch.rows, batch.unshifted), positives(batch.meanInside ? batch.rows : 0, false);
  float* z = write<float>(op.logSum);
  float* zPositive = batch.meanInside ? write<float>(*op.positiveLogSum) : nullptr;
  const GramTiles tiles(batch.embeddings, batch.rows, batch.features, false);
  const LabelSums labelSums(batch);
  Workspace<double> terms(static_cast<size_t>(batch.rows));
  visitTiles(
      batch, tiles, labelSums, [&](int64_t I) { tiles.pack(I); },
      [&](const SimilarityTile& tile) {
        rows.add(tile, tile.s);
        if (batch.meanInside) positives.add(tile, tile.positive);
      },
      [&](int64_t i) {
        const auto row = static_cast<size_t>(i);
        const int64_t count = batch.positives(i);
        z[i] = count > 0 ? rows.result(i) : infinity;
        if (batch.meanInside) zPositive[i] = count > 0 ? positives.result(i) : infinity;
        if (count == 0) {
          terms[row] = 0;
        } else if (batch.meanInside) {
          terms[row] = z[i] - zPositive[i];
        } else {
          const double similarity =
              dotOf(batch.embedding(i), labelSums.of(i), batch.features) - batch.squaredNorms[row];
          terms[row] = z[i] - batch.scale * similarity / static_cast<double>(count);
        }
      });
  const double loss = std::accumulate(terms.data(), terms.data() + batch.rows, 0.0);
  *write<float>(op.loss) = static_cast<float>(loss / static_cast<double>(batch.anchors));
}

void backward(const InfoNCEBackward& op) {
  const Batch batch(op);
  const float* z = read<float>(op.logSum);
  const float* zPositive = batch.meanInside ? read<float>(*op.positiveLogSum) : nullptr;
  const float factor = *read<float>(op.dy) * batch.scale / static_cast<float>(batch.anchors);
  const int64_t features = batch.features;
  float* gradient = write<float>(op.dEmbeddings);
  const GramTiles tiles(batch.embeddings, batch.rows, features, true);
  const LabelSums labelSums(batch);
  Workspace<float> sums(static_cast<size_t>(tiles.count() * tiles.sumFloats())),
      inverse(static_cast<size_t>(batch.rows));
  Workspace<double> dots(op.dLogScale != nullptr ? static_cast<size_t>(batch.rows) : 0);
  const auto gradientSum = [&](int64_t I) { return sums.data() + I * tiles.sumFloats(); };
  visitTiles(
      batch, tiles, labelSums,
      [&](int64_t I) {
        tiles.pack(I);
        std::fill_n(gradientSum(I), tiles.sumFloats(), 0.0f);
        inverseRow(z + I * tileSize, tiles.rowsOf(I), inverse.data() + I * tileSize);
      },
      [&](const SimilarityTile& tile) {
        if (batch.unshifted) {
          gradientUnshifted(tile.s, tile.rows, tile.columns, inverse.data() + tile.i0, inverse.data() + tile.j0);
        } else {
          for (int64_t i = 0; i < tile.rows; ++i) {
            float* m = tile.s + i * tileStride;
            gradientRow(m, z[tile.i0 + i], z + tile.j0, tile.columns);
            if (batch.meanInside) {
              subtractPositives(tile.positive + i * tileStride, zPositive[tile.i0 + i], zPositive + tile.j0,
                                tile.columns, m);
            }
          }
        }
        tiles.multiply(tile.s, tile.I, tile.J, false, gradientSum(tile.I));
        if (!tile.diagonal()) tiles.multiply(tile.s, tile.I, tile.J, true, gradientSum(tile.J));
      },
      [&](int64_t i) {
        float* row = gradient + i * features;
        tiles.unpackRow(gradientSum(i / tileSize), i % tileSize, row);
        const int64_t positives = batch.meanInside ? 0 : batch.positives(i);
        const float weight = positives > 0 ? 2 / static_cast<float>(positives) : 0;
        finishRow(factor, weight, labelSums.of(i), batch.embedding(i), features, row);
        if (op.dLogScale != nullptr) dots[static_cast<size_t>(i)] = dotOf(batch.embedding(i), row, features);
      });
  if (op.dLogScale == nullptr) return;
  const double dot = std::accumulate(dots.data(), dots.data() + batch.rows, 0.0);
  *write<float>(*op.dLogScale) = static_cast<float>(dot / 2);
}

const Register<forward> registerForward("infoNCE.forward");
const Register<backward> registerBackward("infoNCE.backward");

}  // namespace
}  // namespace spinegrad::cpu

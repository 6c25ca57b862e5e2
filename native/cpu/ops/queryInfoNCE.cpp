// queryInfoNCE: the contrastive loss of queries Q [N, D] against constant keys K [M, D] (He et al., "Momentum
// contrast", CVPR 2020), with the positives of infoNCE: the keys with the label of the query. A thread takes a query
// and visits the keys in tiles, so the N x M similarities S = Q K^T / temperature are never stored, and the order of
// the sums does not depend on the number of threads.
//
// With R queries that have positives, dQ = G K / (R temperature), where
//   g_ij = exp(s_ij - Z_i) - t_ij,  t_ij = 1 / (positives of i) (mean outside) or exp(s_ij - Z+_i) (inside) for
//   positives.
// S is linear in Q, so dL / d log(1 / temperature) = sum(Q * dQ).

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <unordered_map>
#include <vector>

#include "native/cpu/ops/logSum.h"
#include "native/cpu/runtime/device.h"
#include "native/cpu/runtime/memory.h"
#include "native/cpu/runtime/reduce.h"
#include "native/engine/contracts.h"
#include "native/engine/error.h"

namespace spinegrad::cpu {
namespace {

constexpr int64_t tileKeys = 256;

SPINEGRAD_SIMD void similarities(const float* query, const float* keys, int64_t count, int64_t features, float scale,
                                 float* s) {
  for (int64_t j = 0; j < count; ++j) {
    const float* key = keys + j * features;
    float dot = 0;
#pragma omp simd reduction(+ : dot)
    for (int64_t d = 0; d < features; ++d) dot += query[d] * key[d];
    s[j] = scale * dot;
  }
}

SPINEGRAD_SIMD void addWeighted(const float* weights, const float* keys, int64_t count, int64_t features, float* sum) {
  for (int64_t j = 0; j < count; ++j) {
    const float* key = keys + j * features;
    for (int64_t d = 0; d < features; ++d) sum[d] += weights[j] * key[d];
  }
}

SPINEGRAD_SIMD void shiftedExponentials(float* s, int64_t count, float z) {
  for (int64_t j = 0; j < count; ++j) s[j] = exponential(s[j] - z);
}

SPINEGRAD_SIMD void multiplyRow(float factor, int64_t count, float* x) {
  for (int64_t d = 0; d < count; ++d) x[d] *= factor;
}

struct Problem {
  const int64_t rows, columns, features;
  const float *queries, *keys;
  const int32_t *labels, *keyLabels;
  const bool meanInside;
  const float scale;
  /// Positives of each query, and the number of queries that have one.
  std::vector<int64_t> positives;
  int64_t anchors = 0;

  template <class Op>
  explicit Problem(const Op& op)
      : rows(op.queries.shape[0]),
        columns(op.keys.shape[0]),
        features(op.queries.shape[1]),
        queries(read<float>(op.queries)),
        keys(read<float>(op.keys)),
        labels(read<int32_t>(op.labels)),
        keyLabels(read<int32_t>(op.keyLabels)),
        meanInside(op.mean == PositivesMean::inside),
        scale(op.logScale != nullptr ? std::exp(*read<float>(*op.logScale)) : static_cast<float>(1 / op.temperature)) {
    std::unordered_map<int32_t, int64_t> counts;
    for (int64_t j = 0; j < columns; ++j) ++counts[keyLabels[j]];
    for (int64_t i = 0; i < rows; ++i) {
      const auto found = counts.find(labels[i]);
      positives.push_back(found == counts.end() ? 0 : found->second);
      anchors += positives.back() > 0;
    }
  }

  const float* query(int64_t i) const { return queries + i * features; }

  /// Calls visit(similarities, first key, number of keys) for each tile of keys.
  template <class Visit>
  void eachTile(int64_t i, Visit visit) const {
    float s[tileKeys];
    for (int64_t first = 0; first < columns; first += tileKeys) {
      const int64_t count = std::min(tileKeys, columns - first);
      similarities(query(i), keys + first * features, count, features, scale, s);
      visit(s, first, count);
    }
  }
};

void forward(const QueryInfoNCEForward& op) {
  const Problem problem(op);
  if (problem.anchors == 0) {
    throw Error("ERR_NO_POSITIVES", "queryInfoNCE(): labels: none of the " + std::to_string(problem.rows) +
                                        " queries has a key of its label, so there is nothing to attract");
  }
  float* z = write<float>(op.logSum);
  float* zPositive = problem.meanInside ? write<float>(*op.positiveLogSum) : nullptr;
  std::vector<double> terms(static_cast<size_t>(problem.rows));
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < problem.rows; ++i) {
    const int64_t positives = problem.positives[static_cast<size_t>(i)];
    float max = -infinity, sum = 0, maxPositive = -infinity, sumPositive = 0;
    double similarity = 0;
    if (positives > 0) {
      problem.eachTile(i, [&](const float* s, int64_t first, int64_t count) {
        addToRow(s, count, &max, &sum);
        float positive[tileKeys];
        int64_t found = 0;
        for (int64_t j = 0; j < count; ++j) {
          if (problem.keyLabels[first + j] == problem.labels[i]) positive[found++] = s[j];
        }
        if (problem.meanInside) addToRow(positive, found, &maxPositive, &sumPositive);
        for (int64_t j = 0; j < found; ++j) similarity += positive[j];
      });
    }
    z[i] = positives > 0 ? max + logarithm(sum) : infinity;
    if (problem.meanInside) zPositive[i] = positives > 0 ? maxPositive + logarithm(sumPositive) : infinity;
    terms[static_cast<size_t>(i)] = positives == 0       ? 0
                                    : problem.meanInside ? static_cast<double>(z[i]) - zPositive[i]
                                                         : z[i] - similarity / static_cast<double>(positives);
  }
  const double loss = std::accumulate(terms.begin(), terms.end(), 0.0);
  *write<float>(op.loss) = static_cast<float>(loss / static_cast<double>(problem.anchors));
}

void backward(const QueryInfoNCEBackward& op) {
  const Problem problem(op);
  const float* z = read<float>(op.logSum);
  const float* zPositive = problem.meanInside ? read<float>(*op.positiveLogSum) : nullptr;
  const float factor = *read<float>(op.dy) * problem.scale / static_cast<float>(problem.anchors);
  const int64_t features = problem.features;
  float* gradient = write<float>(op.dQueries);
  std::vector<double> dots(static_cast<size_t>(problem.rows));
#pragma omp parallel for schedule(static)
  for (int64_t i = 0; i < problem.rows; ++i) {
    float* row = gradient + i * features;
    std::fill_n(row, features, 0.0f);
    const int64_t positives = problem.positives[static_cast<size_t>(i)];
    if (positives == 0) continue;
    const float weight = 1 / static_cast<float>(positives);
    problem.eachTile(i, [&](float* s, int64_t first, int64_t count) {
      float target[tileKeys];
      for (int64_t j = 0; j < count; ++j) {
        const bool positive = problem.keyLabels[first + j] == problem.labels[i];
        target[j] = !positive ? 0 : problem.meanInside ? exponential(s[j] - zPositive[i]) : weight;
      }
      shiftedExponentials(s, count, z[i]);
      for (int64_t j = 0; j < count; ++j) s[j] -= target[j];
      addWeighted(s, problem.keys + first * features, count, features, row);
    });
    multiplyRow(factor, features, row);
    dots[static_cast<size_t>(i)] = dotOf(problem.query(i), row, features);
  }
  if (op.dLogScale == nullptr) return;
  *write<float>(*op.dLogScale) = static_cast<float>(std::accumulate(dots.begin(), dots.end(), 0.0));
}

const Register<forward> registerForward("queryInfoNCE.forward");
const Register<backward> registerBackward("queryInfoNCE.backward");

}  // namespace
}  // namespace spinegrad::cpu

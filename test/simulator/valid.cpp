// valid LIBRARY: runs the kernels of kernels/valid.cu and compares their results with plain loops. All values are small
// integers, so every sum is exact in any order and format, and results must be equal.
#include <algorithm>
#include <cmath>
#include <cstdint>

#include "test/simulator/driver.h"

namespace {

int failures = 0;

template <class T>
void expectEqual(const char* what, const std::vector<T>& found, const std::vector<T>& expected) {
  for (size_t i = 0; i < expected.size(); ++i) {
    if (found[i] == expected[i]) continue;
    printf("%s: [%zu] is %g, expected %g\n", what, i, static_cast<double>(found[i]), static_cast<double>(expected[i]));
    ++failures;
    return;
  }
}

std::vector<float> integers(size_t count, int maximum) {
  std::vector<float> values(count);
  uint32_t state = 12345;
  for (float& value : values) {
    state = state * 1664525 + 1013904223;
    value = static_cast<float>(static_cast<int>(state >> 16) % (2 * maximum + 1) - maximum);
  }
  return values;
}

void indices() {
  const Dim grid{3, 2, 2}, block{5, 4, 3};
  Buffer<int32_t> y(12 * 60);
  CHECK(launch("valid_indices", grid, block, 0, y.address()));
  std::vector<int32_t> expected;
  for (int b = 0; b < 12; ++b)
    for (int t = 0; t < 60; ++t) expected.push_back(b * 1000 + t);
  expectEqual("indices", y.values(), expected);
}

void scale() {
  const auto x = integers(1000, 100);
  Buffer<float> from(x), to(x.size());
  struct {
    float factor;
    int64_t count;
  } scale{3, 1000};
  CHECK(launch("valid_scale", {3}, {64}, 0, from.address(), to.address(), int32_t{7}, scale));
  auto expected = x;
  for (float& value : expected) value = 3 * value + 7;
  expectEqual("scale", to.values(), expected);
}

void transpose() {
  const int n = 75;
  const auto x = integers(n * n, 1000);
  Buffer<float> from(x), to(x.size());
  CHECK(launch("valid_transpose", {3, 3}, {256}, 0, from.address(), to.address(), n));
  auto expected = x;
  for (int i = 0; i < n; ++i)
    for (int j = 0; j < n; ++j) expected[j * n + i] = x[i * n + j];
  expectEqual("transpose", to.values(), expected);
}

void reduce() {
  const int perBlock = 333, blocks = 5;
  const auto x = integers(perBlock * blocks, 1000);
  Buffer<float> from(x), sums(blocks), maxima(blocks);
  for (const unsigned threads : {32u, 128u, 1024u}) {
    CHECK(launch("valid_reduce", {blocks}, {threads}, 0, from.address(), sums.address(), maxima.address(), perBlock));
    std::vector<float> sum(blocks), maximum(blocks, -INFINITY);
    for (int i = 0; i < perBlock * blocks; ++i) {
      sum[i / perBlock] += x[i];
      maximum[i / perBlock] = std::max(maximum[i / perBlock], x[i]);
    }
    expectEqual("blockSum", sums.values(), sum);
    expectEqual("blockMax", maxima.values(), maximum);
  }
}

void shuffles() {
  Buffer<int32_t> y(256);
  CHECK(launch("valid_shuffles", {1}, {32}, 0, y.address()));
  std::vector<int32_t> expected;
  for (int lane = 0; lane < 32; ++lane) {
    uint32_t thirds = 0;
    for (int i = 0; i < 32; i += 3) thirds |= 1u << i;
    for (const int value : {5, lane ^ 3, lane + 4 < 32 ? lane + 4 : lane, lane - 4 >= 0 ? lane - 4 : lane,
                            lane / 8 * 8 + 1, static_cast<int>(thirds), 1, lane < 16 ? lane ^ 8 : (lane ^ 8) * 10})
      expected.push_back(value);
  }
  expectEqual("shuffles", y.values(), expected);
}

void mma() {
  for (const int k : {16, 48, 256}) {
    const auto a = integers(16 * k, 7), b = integers(k * 8, 5);
    auto columns = b;
    for (int i = 0; i < k; ++i)
      for (int j = 0; j < 8; ++j) columns[j * k + i] = b[i * 8 + j];
    std::vector<float> expected(16 * 8);
    for (int i = 0; i < 16; ++i)
      for (int j = 0; j < 8; ++j)
        for (int l = 0; l < k; ++l) expected[i * 8 + j] += a[i * k + l] * b[l * 8 + j];
    Buffer<float> deviceA(a), deviceB(b), deviceColumns(columns), c(16 * 8);
    CHECK(launch("valid_mma_tf32", {1}, {32}, 0, deviceA.address(), deviceColumns.address(), c.address(), k));
    expectEqual("mma tf32", c.values(), expected);
    CHECK(launch("valid_mma_bf16", {1}, {32}, 0, deviceA.address(), deviceB.address(), c.address(), k));
    expectEqual("mma bf16", c.values(), expected);
    CHECK(launch("valid_mma_f16", {1}, {32}, 0, deviceA.address(), deviceB.address(), c.address(), k));
    expectEqual("mma f16", c.values(), expected);
  }
}

void mmaRow() {
  const auto a = integers(16 * 8, 7), b = integers(8 * 16, 5);
  std::vector<float> expected(16 * 16);
  for (int i = 0; i < 16; ++i)
    for (int j = 0; j < 16; ++j)
      for (int l = 0; l < 8; ++l) expected[i * 16 + j] += 3 * a[i * 8 + l] * b[l * 16 + j];
  Buffer<float> deviceA(a), deviceB(b), c(16 * 16);
  CHECK(launch("valid_mma_row", {1}, {32}, 0, deviceA.address(), deviceB.address(), c.address()));
  expectEqual("mma row", c.values(), expected);
}

void reverse() {
  const int blocks = 3, threads = 96;
  const auto x = integers(blocks * threads * 4, 1000);
  Buffer<float> from(x), to(x.size());
  CHECK(launch("valid_reverse", {blocks}, {threads}, threads * 16, from.address(), to.address()));
  auto expected = x;
  for (int block = 0; block < blocks; ++block)
    std::reverse(expected.begin() + block * threads * 4, expected.begin() + (block + 1) * threads * 4);
  expectEqual("reverse", to.values(), expected);
}

void wasteful() {
  const auto x = integers(256, 1000);
  Buffer<float> from(x), to(32);
  CHECK(launch("valid_wasteful", {1}, {32}, 0, from.address(), to.address()));
  std::vector<float> expected;
  for (int i = 31; i >= 0; --i) expected.push_back(x[8 * i]);
  expectEqual("strided", to.values(), expected);
}

void histogram() {
  std::vector<int32_t> x(1000), bins(8);
  for (size_t i = 0; i < x.size(); ++i) ++bins[(x[i] = static_cast<int32_t>(i * i % 977)) & 7];
  Buffer<int32_t> from(x), to(std::vector<int32_t>(8)), maximum(std::vector<int32_t>(1));
  CHECK(launch("valid_histogram", {4}, {128}, 0, from.address(), to.address(), maximum.address(), int64_t{1000}));
  expectEqual("histogram", to.values(), bins);
  expectEqual("maximum", maximum.values(), {*std::max_element(x.begin(), x.end())});
}

}  // namespace

int main(int, char** arguments) {
  open(arguments[1]);
  indices();
  scale();
  transpose();
  reduce();
  shuffles();
  mma();
  mmaRow();
  reverse();
  wasteful();
  histogram();
  if (!failures) printf("passed\n");
  return failures != 0;
}

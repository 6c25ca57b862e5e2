#include "simulator/counters.h"

#if defined(SPINEGRAD_CHECKED)

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <unordered_map>
#include <vector>

#include "simulator/block.h"

namespace spinegrad::simulator::counters {
namespace {

const char* const file = getenv("SPINEGRAD_SIMULATOR_TRACE");

struct Request {
  Kind kind = globalLoad;
  uint32_t lanes = 0;
  uint32_t bytes = 0;
  uintptr_t address[32] = {};
};

/// An instruction of one warp: how often each lane has executed it since the warp last converged, and its requests.
struct Instruction {
  uint32_t visits[32] = {};
  std::vector<Request> requests;
};

std::unordered_map<uint32_t, Instruction> open[32];

struct Totals {
  uint64_t requests[kinds] = {}, units[kinds] = {}, minimum[kinds] = {};
  uint64_t shuffles = 0, votes = 0, warpSyncs = 0, products = 0, barriers = 0;
} totals;

uint64_t countDistinct(std::vector<uintptr_t>& values) {
  std::sort(values.begin(), values.end());
  return static_cast<uint64_t>(std::unique(values.begin(), values.end()) - values.begin());
}

/// The number of 32-byte sectors that the request touches.
uint64_t sectors(const Request& request) {
  std::vector<uintptr_t> touched;
  for (uint32_t rest = request.lanes; rest; rest &= rest - 1) {
    const uintptr_t from = request.address[__builtin_ctz(rest)];
    for (uintptr_t sector = from / 32; sector <= (from + request.bytes - 1) / 32; ++sector) touched.push_back(sector);
  }
  return countDistinct(touched);
}

/// Bytes of the request; lanes with equal addresses share them.
uint64_t distinctBytes(const Request& request) {
  std::vector<uintptr_t> addresses;
  for (uint32_t rest = request.lanes; rest; rest &= rest - 1) addresses.push_back(request.address[__builtin_ctz(rest)]);
  return countDistinct(addresses) * request.bytes;
}

/// Passes of shared memory for the request, and the minimum without bank conflicts.
std::pair<uint64_t, uint64_t> passes(const Request& request) {
  const int lanesPerPass = request.bytes == 16 ? 8 : request.bytes == 8 ? 16 : 32;
  uint64_t needed = 0, minimum = 0;
  for (int first = 0; first < 32; first += lanesPerPass) {
    std::vector<uintptr_t> words;
    for (int lane = first; lane < first + lanesPerPass; ++lane) {
      if (!(request.lanes >> lane & 1)) continue;
      for (uintptr_t at = request.address[lane] / 4; at <= (request.address[lane] + request.bytes - 1) / 4; ++at)
        words.push_back(at);
    }
    if (words.empty()) continue;
    words.resize(countDistinct(words));
    uint64_t perBank[32] = {};
    for (const uintptr_t word : words) ++perBank[word % 32];
    needed += *std::max_element(perBank, perBank + 32);
    ++minimum;
  }
  return {needed, minimum};
}

void count(const Request& request) {
  ++totals.requests[request.kind];
  if (request.kind < sharedLoad) {
    totals.units[request.kind] += sectors(request);
    totals.minimum[request.kind] += (distinctBytes(request) + 31) / 32;
  } else {
    const auto [needed, minimum] = passes(request);
    totals.units[request.kind] += needed;
    totals.minimum[request.kind] += minimum;
  }
}

}  // namespace

void access(Kind kind, int lane, const void* address, size_t bytes, checker::Location location) {
  if (!file) return;
  Instruction& instruction = open[block->thread() / 32][location.code * kinds + static_cast<uint32_t>(kind)];
  const uint32_t visit = instruction.visits[lane]++;
  if (visit == instruction.requests.size()) instruction.requests.emplace_back().kind = kind;
  Request& request = instruction.requests[visit];
  request.lanes |= 1u << lane;
  request.bytes = static_cast<uint32_t>(bytes);
  request.address[lane] = reinterpret_cast<uintptr_t>(address);
}

void countCollective(const Collective& collective, const void* operand) {
  totals.shuffles += &collective == &shuffle;
  totals.votes += &collective == &ballot;
  totals.warpSyncs += &collective == &syncWarp;
  if (&collective == &mmaTf32 || &collective == &mmaBf16 || &collective == &mmaF16)
    totals.products += static_cast<uint64_t>(static_cast<const Mma*>(operand)->products);
}

void barrier() { ++totals.barriers; }

void converged(int warp) {
  for (auto& [code, instruction] : open[warp])
    for (const Request& request : instruction.requests) count(request);
  open[warp].clear();
}

void startBlock() {
  for (auto& warp : open) warp.clear();
}

void endGrid() {
  if (!file) return;
  if (FILE* const out = fopen(file, "a")) {
    const auto list = [&](const char* name, const uint64_t(&values)[kinds]) {
      fprintf(out, ",\"%s\":[", name);
      for (int i = 0; i < kinds; ++i) fprintf(out, "%s%llu", i ? "," : "", static_cast<unsigned long long>(values[i]));
      fprintf(out, "]");
    };
    fprintf(out, "{\"kernel\":\"%s\"", block->kernel().name);
    list("requests", totals.requests);
    list("units", totals.units);
    list("minimum", totals.minimum);
    for (const auto& [name, value] : {std::pair("shuffles", totals.shuffles), std::pair("votes", totals.votes),
                                      std::pair("warpSyncs", totals.warpSyncs), std::pair("mma", totals.products),
                                      std::pair("barriers", totals.barriers)})
      fprintf(out, ",\"%s\":%llu", name, static_cast<unsigned long long>(value));
    fprintf(out, "}\n");
    fclose(out);
  }
  totals = {};
}

}  // namespace spinegrad::simulator::counters

#endif

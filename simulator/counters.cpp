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

/// An instruction in one warp: how often each lane has come there since all were together, and their requests.
struct Instruction {
  uint32_t visits[32] = {};
  std::vector<Request> requests;
};

std::unordered_map<uint32_t, Instruction> open[32];

struct Totals {
  uint64_t requests[kinds] = {}, units[kinds] = {}, least[kinds] = {};
  uint64_t shuffles = 0, votes = 0, warpSyncs = 0, products = 0, barriers = 0;
} totals;

uint64_t countDistinct(std::vector<uintptr_t>& values) {
  std::sort(values.begin(), values.end());
  return static_cast<uint64_t>(std::unique(values.begin(), values.end()) - values.begin());
}

/// Sectors of 32 bytes that the request touches.
uint64_t sectors(const Request& request) {
  std::vector<uintptr_t> touched;
  for (uint32_t rest = request.lanes; rest; rest &= rest - 1) {
    const uintptr_t from = request.address[__builtin_ctz(rest)];
    for (uintptr_t sector = from / 32; sector <= (from + request.bytes - 1) / 32; ++sector) touched.push_back(sector);
  }
  return countDistinct(touched);
}

/// Lanes that want the same are served by the same bytes.
uint64_t distinctBytes(const Request& request) {
  std::vector<uintptr_t> addresses;
  for (uint32_t rest = request.lanes; rest; rest &= rest - 1) addresses.push_back(request.address[__builtin_ctz(rest)]);
  return countDistinct(addresses) * request.bytes;
}

/// Passes that shared memory needs for the request, and how many it would need without conflicts.
std::pair<uint64_t, uint64_t> passes(const Request& request) {
  const int together = request.bytes == 16 ? 8 : request.bytes == 8 ? 16 : 32;
  uint64_t needed = 0, least = 0;
  for (int first = 0; first < 32; first += together) {
    std::vector<uintptr_t> words;
    for (int lane = first; lane < first + together; ++lane) {
      if (!(request.lanes >> lane & 1)) continue;
      for (uintptr_t at = request.address[lane] / 4; at <= (request.address[lane] + request.bytes - 1) / 4; ++at)
        words.push_back(at);
    }
    if (words.empty()) continue;
    words.resize(countDistinct(words));
    uint64_t perBank[32] = {};
    for (const uintptr_t word : words) ++perBank[word % 32];
    needed += *std::max_element(perBank, perBank + 32);
    ++least;
  }
  return {needed, least};
}

void count(const Request& request) {
  ++totals.requests[request.kind];
  if (request.kind < sharedLoad) {
    totals.units[request.kind] += sectors(request);
    totals.least[request.kind] += (distinctBytes(request) + 31) / 32;
  } else {
    const auto [needed, least] = passes(request);
    totals.units[request.kind] += needed;
    totals.least[request.kind] += least;
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

void met(const Meeting& meeting, const void* operand) {
  totals.shuffles += &meeting == &shuffle;
  totals.votes += &meeting == &ballot;
  totals.warpSyncs += &meeting == &syncWarp;
  if (&meeting == &mmaTf32 || &meeting == &mmaBf16 || &meeting == &mmaF16)
    totals.products += static_cast<uint64_t>(static_cast<const Mma*>(operand)->products);
}

void barrier() { ++totals.barriers; }

void together(int warp) {
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
    list("least", totals.least);
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

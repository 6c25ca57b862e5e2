// Warp collectives on single values: synchronization, shuffles and votes.
#include "simulator/block.h"
#include "simulator/report.h"

namespace spinegrad::simulator {
namespace {

template <class Function>
void forEach(uint32_t lanes, Function function) {
  for (; lanes; lanes &= lanes - 1) function(__builtin_ctz(lanes));
}

void runSyncWarp(void* const*, uint32_t, Site) {}

void runShuffle(void* const* operands, uint32_t lanes, Site site) {
  uint32_t values[32];
  forEach(lanes, [&](int lane) { values[lane] = static_cast<const Shuffle*>(operands[lane])->value; });
  forEach(lanes, [&](int lane) {
    Shuffle& shuffle = *static_cast<Shuffle*>(operands[lane]);
    const int source = shuffle.source & 31;
    if (!(lanes >> source & 1)) {
      report(format("shuffle: lane %d reads lane %d, which is not in the mask %08x, at %s; %s", lane, source, lanes,
                    format(site).c_str(), block->where().c_str()));
      block->abandon();
    }
    shuffle.value = values[source];
  });
}

void runBallot(void* const* operands, uint32_t lanes, Site) {
  uint32_t votes = 0;
  forEach(lanes, [&](int lane) { votes |= *static_cast<const uint32_t*>(operands[lane]) << lane; });
  forEach(lanes, [&](int lane) { *static_cast<uint32_t*>(operands[lane]) = votes; });
}

}  // namespace

const Collective syncWarp{"__syncwarp()", runSyncWarp}, shuffle{"shuffle", runShuffle}, ballot{"vote", runBallot};

}  // namespace spinegrad::simulator

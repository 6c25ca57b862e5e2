// cp.async and vector accesses. A cp.async writes poison (NaN) to its target when it is issued, and the data only when
// its thread waits for its group. A missing wait therefore reads NaN, and a copy over data that other threads still
// read shows at once.
#include <algorithm>

#include "simulator/block.h"
#include "simulator/checker.h"
#include "simulator/counters.h"
#include "simulator/report.h"

namespace spinegrad::simulator {
namespace {

using checker::Access;

void requireAligned(const char* what, const void* address, size_t bytes, Site site) {
  if ((reinterpret_cast<uintptr_t>(address) & (bytes - 1)) == 0) return;
  report(format("misaligned: %s of %zu bytes at %p, at %s; %s", what, bytes, address, format(site).c_str(),
                block->where().c_str()));
  block->abandon();
}

/// Copies with moves of a fixed size. The checker would attribute a call of memcpy to the kernel.
inline void move(void* to, const void* from, size_t bytes) {
  switch (bytes) {
    case 2:
      memcpy(to, from, 2);
      break;
    case 4:
      memcpy(to, from, 4);
      break;
    case 8:
      memcpy(to, from, 8);
      break;
    default:
      memcpy(to, from, 16);
  }
}

alignas(16) constexpr uint32_t poison[4] = {~0u, ~0u, ~0u, ~0u}, zeros[4] = {};

}  // namespace

void copyAsync(void* shared, const void* global, unsigned bytes, bool valid, Site site) {
  requireAligned("cp.async to shared memory", shared, bytes, site);
  if (valid) requireAligned("cp.async from global memory", global, bytes, site);
  if (!block->sharedMemory().contains(shared)) {
    report(format("cp.async to %p, which is not in shared memory, at %s; %s", shared, format(site).c_str(),
                  block->where().c_str()));
    block->abandon();
  }
  const checker::Location location = checker::at(site);
  if (valid) {
    checker::accessOf(block->lane(), Access::read, global, bytes, location);
    counters::access(counters::globalCopy, block->lane(), global, bytes, location);
  }
  checker::copyIssued(shared, bytes, location);
  counters::access(counters::sharedCopy, block->lane(), shared, bytes, location);
  move(shared, poison, bytes);
  AsyncCopies& async = block->async();
  async.copies.push_back({shared, global, bytes, valid, site});
  ++async.uncommitted;
}

void commitGroup() {
  AsyncCopies& async = block->async();
  async.groups.push_back(async.uncommitted);
  async.uncommitted = 0;
}

void waitGroup(int groups, Site) {
  AsyncCopies& async = block->async();
  const int landing = std::max(0, static_cast<int>(async.groups.size()) - groups);
  size_t copies = 0;
  for (int group = 0; group < landing; ++group) copies += async.groups[static_cast<size_t>(group)];
  for (size_t i = 0; i < copies; ++i) {
    const AsyncCopy& copy = async.copies[i];
    move(copy.to, copy.valid ? copy.from : zeros, copy.bytes);
    checker::copyCompleted(copy.to, copy.bytes, checker::at(copy.site));
  }
  async.copies.erase(async.copies.begin(), async.copies.begin() + static_cast<ptrdiff_t>(copies));
  async.groups.erase(async.groups.begin(), async.groups.begin() + landing);
}

void loadVector(void* to, const void* from, size_t bytes, Site site) {
  requireAligned("vector load", from, bytes, site);
  checker::access(Access::read, from, bytes, checker::at(site));
  move(to, from, bytes);
}

void storeVector(void* to, const void* from, size_t bytes, Site site) {
  requireAligned("vector store", to, bytes, site);
  checker::access(Access::write, to, bytes, checker::at(site));
  move(to, from, bytes);
}

}  // namespace spinegrad::simulator

#include "simulator/checker.h"

#if defined(SPINEGRAD_CHECKED)

#include <sys/mman.h>

#include <cstdlib>
#include <map>
#include <set>
#include <tuple>
#include <vector>

#include "simulator/block.h"
#include "simulator/counters.h"
#include "simulator/globalMemory.h"
#include "simulator/location.h"
#include "simulator/report.h"

extern "C" __attribute__((visibility("hidden"))) const char __ehdr_start;

namespace spinegrad::simulator::checker {
namespace {

enum State : uint8_t { notAllocated = 0, neverWritten = 1, isWritten = 2, copyPending = 3 };

/// One access to a word. `bytes` is a mask; a record without bytes is empty.
struct Record {
  uint32_t grid, block;
  uint32_t thread : 10, bytes : 4, isAtomic : 1, : 0;
  uint32_t clock, where;
};

/// The records of a word: the last writes, indexed by their lowest byte, and some of the last reads.
struct Word {
  Record writes[4], reads[4];
};

/// State and records of a range of addresses. Pages are created on first use.
class Shadow {
 public:
  Shadow(const void* base, size_t bytes)
      : base_(reinterpret_cast<uintptr_t>(base)),
        bytes_(bytes),
        states(static_cast<uint8_t*>(reserve(bytes))),
        words_(static_cast<Word*>(reserve(bytes / 4 * sizeof(Word)))) {}

  bool contains(const void* address) const { return reinterpret_cast<uintptr_t>(address) - base_ < bytes_; }
  size_t offset(const void* address) const { return reinterpret_cast<uintptr_t>(address) - base_; }
  uint8_t* state(const void* address) { return states + offset(address); }
  Word& word(size_t offset) { return words_[offset / 4]; }

  /// Moves the shadow to another range of the same size.
  void move(const void* base) { base_ = reinterpret_cast<uintptr_t>(base); }

  void set(const void* address, size_t bytes, State state) { memset(this->state(address), state, bytes); }

 private:
  static void* reserve(size_t bytes) {
    void* const memory =
        mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory != MAP_FAILED) return memory;
    simulator::report(format("cannot reserve %zu bytes of address space for the checker", bytes));
    abort();
  }

  uintptr_t base_;
  size_t bytes_;
  uint8_t* states;
  Word* words_;
};

Shadow& global() {
  static Shadow& shadow = *new Shadow(globalMemory::begin(), globalMemory::reserved);
  return shadow;
}

/// The shadow of the current block's shared memory. Checked blocks run one at a time.
Shadow* sharedShadow = nullptr;

Shadow* shadowOf(const void* address) {
  if (sharedShadow && sharedShadow->contains(address)) return sharedShadow;
  return global().contains(address) ? &global() : nullptr;
}

struct Clocks {
  uint32_t now = 1, barrier = 0;
  struct Lanes {
    uint32_t whole = 0;                // tick of the last full __syncwarp()
    uint32_t syncedUpTo[32][32] = {};  // tick of the last partial one, per pair of lanes
  };
  std::vector<Lanes> warps{32};
} clocks;

uint32_t grid = 0, blockNumber = 0;

std::vector<Site> sites;
std::map<std::pair<const char*, int>, uint32_t> siteNumbers;
constexpr uint32_t isSite = 1u << 31;

std::string textOf(uint32_t where) {
  if (where & isSite) return format(sites[where & ~isSite]);
  void* const instruction = const_cast<char*>(&__ehdr_start + where);
  return locate({&instruction, 1}, block->kernel());
}

/// All findings so far, each kernel, kind and pair of locations once.
std::set<std::tuple<const Kernel*, std::string, uint32_t, uint32_t>> reportedFindings;
struct Finding {
  std::string kind, what, thread;
  uint32_t where, other = 0;
  std::string otherThread = {};
};
std::vector<Finding> findings;

Index threadIndex(unsigned thread) {
  const Index size = blockDim;
  return {thread % size.x, thread / size.x % size.y, thread / (size.x * size.y)};
}

std::string threadText(unsigned thread) {
  return format("thread %s (warp %u, lane %u)", format(threadIndex(thread)).c_str(), thread / 32, thread % 32);
}

void addFinding(const std::string& what, unsigned thread, uint32_t where, const Record* other = nullptr) {
  const std::string kind = what.substr(0, what.find(" ("));
  if (!reportedFindings.emplace(&block->kernel(), kind, where, other ? other->where : 0).second) return;
  Finding finding{kind, what, format("block %s, ", format(blockIdx).c_str()) + threadText(thread), where};
  if (other) {
    finding.other = other->where;
    const Index blocks = gridDim;
    const Index theirs{other->block % blocks.x, other->block / blocks.x % blocks.y,
                       other->block / (blocks.x * blocks.y)};
    finding.otherThread = format("block %s, ", format(theirs).c_str()) + threadText(other->thread);
  }
  findings.push_back(std::move(finding));
}

/// Whether the access of the record happened before the current access of the thread.
bool isOrdered(const Record& record, unsigned thread, bool isShared) {
  if (!record.bytes || record.grid != grid) return true;
  if (record.block != blockNumber) return isShared;
  if (record.thread == thread || record.clock < clocks.barrier) return true;
  if (record.thread / 32 != thread / 32) return false;
  const Clocks::Lanes& warp = clocks.warps[thread / 32];
  return record.clock < warp.whole || record.clock < warp.syncedUpTo[thread % 32][record.thread % 32];
}

const char* nameOf(Access kind) { return kind == Access::read ? "read" : kind == Access::write ? "write" : "atomic"; }

void race(Access kind, const char* theirs, const Record& other, bool isShared, unsigned thread, uint32_t where) {
  addFinding(format("race in %s memory: %s after %s", isShared ? "shared" : "global", nameOf(kind), theirs), thread,
             where, &other);
}

void checkWord(Access kind, Word& word, uint32_t bytes, bool isShared, unsigned thread, uint32_t where) {
  const Record mine{grid, blockNumber, thread, bytes, kind == Access::atomic, clocks.now, where};
  for (const Record& other : word.writes) {
    if ((other.bytes & bytes) && !isOrdered(other, thread, isShared) && !(kind == Access::atomic && other.isAtomic))
      race(kind, other.isAtomic ? "atomic" : "write", other, isShared, thread, where);
  }
  if (kind != Access::read) {
    for (const Record& other : word.reads) {
      if ((other.bytes & bytes) && !isOrdered(other, thread, isShared))
        race(kind, "read", other, isShared, thread, where);
    }
    for (Record& other : word.writes)
      if (!(other.bytes & ~bytes)) other.bytes = 0;
    word.writes[__builtin_ctz(bytes)] = mine;
    return;
  }
  // A read replaces a read of the same thread, else an ordered one, else one of the same warp.
  Record* place = &word.reads[thread / 32 % 4];
  for (Record& other : word.reads)
    if (other.bytes && other.thread / 32 == thread / 32 && &other != &word.reads[thread % 4]) place = &other;
  for (Record& other : word.reads)
    if (isOrdered(other, thread, isShared)) place = &other;
  for (Record& other : word.reads)
    if (other.thread == thread && other.bytes == bytes && other.block == mine.block) place = &other;
  *place = mine;
}

void checkState(Access kind, const void* address, size_t bytes, Shadow& shadow, unsigned thread, uint32_t where) {
  const bool isShared = &shadow == sharedShadow;
  const char* const memory = isShared ? "shared" : "global";
  uint8_t* const states = shadow.state(address);
  for (size_t i = 0; i < bytes; ++i) {
    if (states[i] == isWritten) continue;
    const char* const byte = static_cast<const char*>(address) + i;
    if (states[i] == notAllocated) {
      const std::string near = isShared ? block->sharedMemory().describe(byte) : globalMemory::describe(byte);
      addFinding(format("out of bounds in %s memory: %s of %zu bytes (%s)", memory, nameOf(kind), bytes, near.c_str()),
                 thread, where);
    } else if (states[i] == copyPending) {
      addFinding(format("%s of shared memory before a cp.async to it has completed", nameOf(kind)), thread, where);
    } else if (kind == Access::write) {
      states[i] = isWritten;
      continue;
    } else {
      addFinding(format("uninitialized: %s of %s memory that was never written (%s)", nameOf(kind), memory,
                        isShared ? block->sharedMemory().describe(byte).c_str() : globalMemory::describe(byte).c_str()),
                 thread, where);
    }
    return;
  }
}

void check(Access kind, const void* address, size_t bytes, unsigned thread, uint32_t where) {
  Shadow* const shadow = shadowOf(address);
  if (!shadow) return;
  checkState(kind, address, bytes, *shadow, thread, where);
  const bool isShared = shadow == sharedShadow;
  for (size_t from = shadow->offset(address), end = from + bytes; from < end;) {
    const size_t next = from / 4 * 4 + 4, to = next < end ? next : end;
    const uint32_t mask = ((1u << (to - from)) - 1) << from % 4;
    checkWord(kind, shadow->word(from), mask, isShared, thread, where);
    from = to;
  }
}

}  // namespace

Location at(const void* instruction) {
  return {static_cast<uint32_t>(static_cast<const char*>(instruction) - &__ehdr_start - 1)};
}

Location at(Site site) {
  const auto [number, isNew] = siteNumbers.emplace(std::pair(site.file, site.line), sites.size());
  if (isNew) sites.push_back(site);
  return {number->second | isSite};
}

void access(Access kind, const void* address, size_t bytes, Location location) {
  if (const Shadow* const shadow = shadowOf(address)) {
    const int inMemory = shadow == sharedShadow ? counters::sharedLoad : counters::globalLoad;
    counters::access(static_cast<counters::Kind>(inMemory + static_cast<int>(kind)), block->lane(), address, bytes,
                     location);
  }
  check(kind, address, bytes, block->thread(), location.code);
}

void accessOf(int lane, Access kind, const void* address, size_t bytes, Location location) {
  check(kind, address, bytes, block->thread() / 32 * 32 + static_cast<unsigned>(lane), location.code);
}

void copyIssued(void* shared, size_t bytes, Location location) {
  check(Access::write, shared, bytes, block->thread(), location.code);
  sharedShadow->set(shared, bytes, copyPending);
}

void copyCompleted(void* shared, size_t bytes, Location location) {
  sharedShadow->set(shared, bytes, isWritten);
  check(Access::write, shared, bytes, block->thread(), location.code);
}

void startGrid() { ++grid; }

void startBlock(const void* sharedMemory, size_t bytes) {
  if (!sharedShadow) sharedShadow = new Shadow(sharedMemory, bytes);
  sharedShadow->move(sharedMemory);
  sharedShadow->set(sharedMemory, bytes, notAllocated);
  blockNumber = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
  clocks.now = 1;
  clocks.barrier = 0;
  for (Clocks::Lanes& warp : clocks.warps) warp = {};
}

void syncBlock() { clocks.barrier = ++clocks.now; }

void syncLanes(int warp, uint32_t lanes) {
  const uint32_t now = ++clocks.now;
  Clocks::Lanes& in = clocks.warps[static_cast<size_t>(warp)];
  if (lanes == allLanes) {
    in.whole = now;
    return;
  }
  const auto forEach = [lanes](auto function) {
    for (uint32_t rest = lanes; rest; rest &= rest - 1) function(__builtin_ctz(rest));
  };
  for (int other = 0; other < 32; ++other) {
    uint32_t most = 0;
    forEach([&](int lane) { most = std::max(most, in.syncedUpTo[lane][other]); });
    if (lanes >> other & 1) most = now;
    forEach([&](int lane) { in.syncedUpTo[lane][other] = most; });
  }
}

bool report() {
  static std::set<std::string> reported;  // a line may have several instructions
  for (const Finding& finding : findings) {
    const std::string here = textOf(finding.where), there = finding.other ? textOf(finding.other) : "";
    if (!reported.insert(finding.kind + here + there).second) continue;
    std::string text = format("%s, at %s; kernel `%s`, %s", finding.what.c_str(), here.c_str(), block->kernel().name,
                              finding.thread.c_str());
    if (finding.other) text += format("\n  the other access, at %s; %s", there.c_str(), finding.otherThread.c_str());
    simulator::report(text);
  }
  const bool any = !findings.empty();
  findings.clear();
  return any;
}

void allocated(const void* address, size_t bytes) {
  if (Shadow* const shadow = shadowOf(address)) shadow->set(address, bytes, neverWritten);
}
void freed(const void* address, size_t bytes) { global().set(address, bytes, notAllocated); }
void written(const void* address, size_t bytes) { global().set(address, bytes, isWritten); }
void copied(const void* to, const void* from, size_t bytes) {
  memmove(global().state(to), global().state(from), bytes);
}

}  // namespace spinegrad::simulator::checker

#endif

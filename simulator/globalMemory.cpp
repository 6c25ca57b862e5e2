#include "simulator/globalMemory.h"

#include <sys/mman.h>

#include <cstring>
#include <map>

#include "simulator/checker.h"
#include "simulator/report.h"

namespace spinegrad::simulator::globalMemory {
namespace {

constexpr size_t page = 4096, redZone = 512;
constexpr unsigned char poison = 0xff, redZoneByte = 0xfb;

struct Allocation {
  size_t bytes, pages;
};

struct Heap {
  char* const memory;
  std::map<char*, size_t> freeRanges;             // free pages by their start; neighbors are merged
  std::map<const char*, Allocation> allocations;  // by the start of the data

  Heap()
      : memory(static_cast<char*>(
            mmap(nullptr, reserved, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0))) {
    if (memory != MAP_FAILED) freeRanges[memory] = reserved / page;
  }
};

Heap& heap() {
  static Heap& heap = *new Heap;
  return heap;
}

}  // namespace

void* allocate(size_t bytes) {
  auto& freeRanges = heap().freeRanges;
  const size_t pages = (bytes + 2 * redZone + page - 1) / page;
  auto range = freeRanges.begin();
  while (range != freeRanges.end() && range->second < pages) ++range;
  if (range == freeRanges.end()) return nullptr;
  char* const from = range->first;
  const size_t rest = range->second - pages;
  freeRanges.erase(range);
  if (rest) freeRanges[from + pages * page] = rest;
  if (mprotect(from, pages * page, PROT_READ | PROT_WRITE) != 0) return nullptr;
  char* const data = from + redZone;
  memset(from, redZoneByte, redZone);
  memset(data, poison, bytes);
  memset(data + bytes, redZoneByte, pages * page - redZone - bytes);
  heap().allocations[data] = {bytes, pages};
  checker::allocated(data, bytes);
  return data;
}

size_t free(void* address, std::string& damage) {
  auto& [memory, freeRanges, allocations] = heap();
  const auto found = allocations.find(static_cast<char*>(address));
  if (found == allocations.end()) return 0;
  const auto [bytes, pages] = found->second;
  char *const data = static_cast<char*>(address), *const from = data - redZone, *const end = from + pages * page;
  for (const char* at = end; at-- > data + bytes;) {
    if (static_cast<unsigned char>(*at) != redZoneByte) damage = "write " + describe(at);
  }
  for (const char* at = from; at < data; ++at) {
    if (static_cast<unsigned char>(*at) != redZoneByte) damage = "write " + describe(at);
  }
  allocations.erase(found);
  checker::freed(address, bytes);
  madvise(from, pages * page, MADV_DONTNEED);
  mprotect(from, pages * page, PROT_NONE);

  auto range = freeRanges.emplace(from, pages).first;
  if (const auto next = std::next(range); next != freeRanges.end() && next->first == end) {
    range->second += next->second;
    freeRanges.erase(next);
  }
  if (range != freeRanges.begin()) {
    if (const auto previous = std::prev(range); previous->first + previous->second * page == from) {
      previous->second += range->second;
      freeRanges.erase(range);
    }
  }
  return bytes;
}

bool contains(const void* address, size_t bytes) {
  const auto& allocations = heap().allocations;
  const char* const at = static_cast<const char*>(address);
  auto after = allocations.upper_bound(at);
  if (after == allocations.begin()) return false;
  const auto& [data, allocation] = *--after;
  return at + bytes <= data + allocation.bytes;
}

const void* begin() { return heap().memory; }

std::string describe(const void* address) {
  const char* const at = static_cast<const char*>(address);
  const auto& allocations = heap().allocations;
  auto next = allocations.upper_bound(at);
  if (next != allocations.end() && next->first - at <= static_cast<ptrdiff_t>(redZone))
    return format("%td bytes before an allocation of %zu bytes", next->first - at, next->second.bytes);
  if (next == allocations.begin()) return "far from any allocation";
  const auto& [data, allocation] = *--next;
  const size_t offset = static_cast<size_t>(at - data);
  if (offset >= allocation.bytes)
    return format("%zu bytes after the end of an allocation of %zu bytes", offset - allocation.bytes, allocation.bytes);
  return format("byte %zu of an allocation of %zu bytes", offset, allocation.bytes);
}

bool isReserved(const void* address) {
  const char* const at = static_cast<const char*>(address);
  return at >= heap().memory && at < heap().memory + reserved;
}

}  // namespace spinegrad::simulator::globalMemory

#include "simulator/sharedMemory.h"

#include <sys/mman.h>

#include <new>

#include "simulator/block.h"
#include "simulator/checker.h"
#include "simulator/report.h"

namespace spinegrad::simulator {
namespace {

constexpr unsigned char poison = 0xff, redZoneByte = 0xfb;
constexpr SharedObject dynamicObject{"dynamic shared memory", 0, Site("", 0)};

/// The checker would attribute a call of memset to the kernel.
void fill(void* to, unsigned char value, size_t bytes) {
  asm volatile("rep stosb" : "+D"(to), "+c"(bytes) : "a"(value) : "memory");
}

size_t roundUp(size_t bytes, size_t step) { return (bytes + step - 1) / step * step; }

}  // namespace

SharedMemory::SharedMemory() {
  void* const memory = mmap(nullptr, capacity, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  memory_ = static_cast<char*>(memory);
  fill(memory_, redZoneByte, redZone);
}

SharedMemory::~SharedMemory() { munmap(memory_, capacity); }

void SharedMemory::start(size_t dynamicBytes, bool optedIn) {
  placed_.clear();
  used_ = declared_ = 0;
  optedIn_ = optedIn;
  place(&dynamicObject, dynamicBytes);
}

void SharedMemory::place(const SharedObject* object, size_t bytes) {
  char* const at =
      placed_.empty() ? memory_ + redZone : placed_.back().at + roundUp(placed_.back().bytes, redZone) + redZone;
  placed_.push_back({object, at, bytes});
  used_ += bytes;
  fill(at, poison, bytes);
  fill(at + bytes, redZoneByte, roundUp(bytes, redZone) + redZone - bytes);
  checker::allocated(at, bytes);
}

void* SharedMemory::object(const SharedObject& object) {
  for (const Placed& placed : placed_) {
    if (placed.object == &object) return placed.at;
  }
  declared_ += object.bytes;
  const size_t limit = optedIn_ ? maxOptIn : maxDefault;
  if (declared_ > maxDefault || used_ + object.bytes > limit || placed_.size() == 127) {
    report(format(
        "too much shared memory: `%s` (%s) raises the total to %zu bytes, %zu of them declared, in %zu objects; the "
        "limits are %zu, %zu and 127 (cuFuncSetAttribute raises that of dynamic memory); %s",
        object.name, format(object.site).c_str(), used_ + object.bytes, declared_, placed_.size() + 1, limit,
        maxDefault, block->where().c_str()));
    block->abandon();
  }
  place(&object, object.bytes);
  return placed_.back().at;
}

std::string SharedMemory::damage() const {
  const auto intact = [](const char* from, const char* to) {
    while (from < to && static_cast<unsigned char>(*from) == redZoneByte) ++from;
    return from;
  };
  if (const char* const at = intact(memory_, memory_ + redZone); at < memory_ + redZone) return describe(at);
  for (const Placed& placed : placed_) {
    const char* const end = placed.at + placed.bytes;
    const char* const next = placed.at + roundUp(placed.bytes, redZone) + redZone;
    if (const char* const at = intact(end, next); at < next) return describe(at);
  }
  return {};
}

std::string SharedMemory::describe(const void* address) const {
  const char* const at = static_cast<const char*>(address);
  const Placed* nearest = &placed_.front();
  for (const Placed& placed : placed_)
    if (at >= placed.at && (placed.bytes || &placed == nearest)) nearest = &placed;
  const char *const name = nearest->object->name, *const end = nearest->at + nearest->bytes;
  if (at < nearest->at) return format("%td bytes before `%s`", nearest->at - at, name);
  if (at >= end) return format("%td bytes after the end of `%s`", at - end, name);
  return format("byte %td of `%s`", at - nearest->at, name);
}

void* shared(const SharedObject& object) { return block->sharedMemory().object(object); }

void* dynamicShared() { return block->sharedMemory().dynamic(); }

}  // namespace spinegrad::simulator

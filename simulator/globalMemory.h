// The memory of the simulated devices: one reserved address range. An allocation takes whole pages with a red zone on
// both sides of the data; unallocated pages are inaccessible. New memory is poisoned (0xff: NaN as a float), and the
// red zones are checked when the allocation is freed.
#pragma once

#include <cstddef>
#include <string>

namespace spinegrad::simulator::globalMemory {

constexpr size_t reserved = size_t{16} << 30;
const void* begin();

/// Returns null if the range is full.
void* allocate(size_t bytes);
/// Returns the size of the allocation, or 0 if `address` is not one. `damage` describes a write outside the allocation.
size_t free(void* address, std::string& damage);
/// Whether the range is inside one allocation.
bool contains(const void* address, size_t bytes);

/// Whether it is an address of device memory, allocated or not.
bool isReserved(const void* address);

/// For example "4 bytes after the end of an allocation of 256 bytes".
std::string describe(const void* address);

}  // namespace spinegrad::simulator::globalMemory

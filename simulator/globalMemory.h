// The memory of the simulated devices: a range of addresses reserved once. An allocation takes whole pages of it, with
// a red zone on both sides of the data; pages that nobody has allocated cannot be read or written. What is allocated is
// poisoned (0xff: NaN as a float), and its red zones are looked at when it is freed.
#pragma once

#include <cstddef>
#include <string>

namespace spinegrad::simulator::globalMemory {

constexpr size_t reserved = size_t{16} << 30;
const void* begin();

/// Null if the range has no room.
void* allocate(size_t bytes);
/// The bytes that were allocated there; 0 if `address` is not what `allocate` gave. What was written outside of the
/// allocation, in words, goes to `damage`.
size_t free(void* address, std::string& damage);
/// Whether all of it lies in one allocation.
bool contains(const void* address, size_t bytes);

/// Whether it is an address of the devices, allocated or not.
bool isReserved(const void* address);

/// "4 bytes behind the end of an allocation of 256 bytes".
std::string describe(const void* address);

}  // namespace spinegrad::simulator::globalMemory

#include "native/cuda/runtime/driver.h"

#include <dlfcn.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>

#include "native/engine/error.h"

namespace spinegrad::cuda {
namespace {

[[noreturn]] void unavailable(const std::string& reason) { throw Error("ERR_DEVICE_UNAVAILABLE", reason); }

std::string describe(const Driver& driver, CUresult result) {
  const char* name = nullptr;
  const char* text = nullptr;
  driver.cuGetErrorName(result, &name);
  driver.cuGetErrorString(result, &text);
  return (name == nullptr ? "an unknown error" : name) + (" (" + std::to_string(result) + ")") +
         (text == nullptr ? "" : std::string(": ") + text);
}

std::string initializationError(const Driver& driver, CUresult result, const std::string& library) {
  switch (result) {
    case CUDA_ERROR_NO_DEVICE: {
      const char* visible = std::getenv("CUDA_VISIBLE_DEVICES");
      return "the CUDA driver (" + library + ") finds no device" +
             (visible == nullptr ? std::string() : " with CUDA_VISIBLE_DEVICES='" + std::string(visible) + "'");
    }
    case CUDA_ERROR_STUB_LIBRARY:
      return library +
             " is the link-time stub of the CUDA toolkit, not a driver; remove its folder from LD_LIBRARY_PATH or "
             "install the NVIDIA driver";
    case CUDA_ERROR_SYSTEM_DRIVER_MISMATCH:
      return "the CUDA driver (" + library +
             ") and the loaded NVIDIA kernel module have different versions; restart the machine";
    default:
      return "the CUDA driver (" + library + ") failed to initialize: " + describe(driver, result);
  }
}

Driver load() {
  const char* configured = std::getenv("SPINEGRAD_CUDA_LIBRARY");
  const std::string library = configured == nullptr || *configured == '\0' ? "libcuda.so.1" : configured;
  void* handle = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    const std::string reason = dlerror();
    unavailable(configured == nullptr
                    ? "no CUDA driver: " + reason + "; install the NVIDIA driver, or use the device cpu"
                    : "SPINEGRAD_CUDA_LIBRARY: " + reason);
  }
  Driver table;
#define SPINEGRAD_LOOK_UP(name, symbol, parameters) \
  table.name = reinterpret_cast<decltype(table.name)>(dlsym(handle, #symbol));
#define SPINEGRAD_REQUIRE(name, symbol, parameters)                                                                    \
  SPINEGRAD_LOOK_UP(name, symbol, parameters)                                                                          \
  if (table.name == nullptr) {                                                                                         \
    unavailable(library + " has no function " #symbol ": the driver is too old, or the library is not a CUDA driver"); \
  }
  SPINEGRAD_CUDA_FUNCTIONS(SPINEGRAD_REQUIRE)
  SPINEGRAD_CUDA_OPTIONAL_FUNCTIONS(SPINEGRAD_LOOK_UP)
#undef SPINEGRAD_REQUIRE
#undef SPINEGRAD_LOOK_UP
  if (const CUresult result = table.cuInit(0); result != CUDA_SUCCESS) {
    unavailable(initializationError(table, result, library));
  }
  return table;
}

/// Errors after which the driver rejects every further call of the process.
bool isFatal(CUresult result) {
  switch (result) {
    case CUDA_ERROR_ECC_UNCORRECTABLE:
    case CUDA_ERROR_ILLEGAL_ADDRESS:
    case CUDA_ERROR_LAUNCH_TIMEOUT:
    case CUDA_ERROR_MISALIGNED_ADDRESS:
    case CUDA_ERROR_LAUNCH_FAILED:
      return true;
    default:
      return false;
  }
}

}  // namespace

const Driver& driver() {
  static std::atomic<const Driver*> loaded = nullptr;  // never destroyed
  static std::mutex mutex;
  if (const Driver* table = loaded.load(std::memory_order_acquire)) return *table;
  std::lock_guard lock(mutex);
  if (loaded == nullptr) loaded = new Driver(load());
  return *loaded;
}

void check(CUresult result, const char* call, const char* file, int line) {
  if (result == CUDA_SUCCESS) return;
  if (const char* inside = std::strstr(file, "native/"))
    file = inside;  // relative to the project, for any path given to the compiler
  throw Error("ERR_CUDA",
              std::string(call) + " failed: " + describe(driver(), result) + ", at " + file + ":" +
                  std::to_string(line) +
                  (isFatal(result) ? "; this process cannot use the device any more. Set SPINEGRAD_CUDA_SYNC=1 "
                                     "to wait for each kernel and find the one that fails"
                                   : ""));
}

}  // namespace spinegrad::cuda

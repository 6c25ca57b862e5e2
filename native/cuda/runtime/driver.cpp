#include "native/cuda/runtime/driver.h"

#include <dlfcn.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>
#include <utility>

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
    case CUDA_ERROR_SYSTEM_NOT_READY:
      return "the CUDA driver (" + library +
             ") reports that the system is not ready; on a host with NVSwitch, start the service nvidia-fabricmanager";
    case CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE:
      return library +
             " is of the package cuda-compat, which this GPU does not support; remove its folder from LD_LIBRARY_PATH";
    default:
      return "the CUDA driver (" + library + ") failed to initialize: " + describe(driver, result);
  }
}

/// Folders of the driver in containers, in WSL and on NixOS, which the dynamic linker may not search.
constexpr const char* driverFolders[] = {"/usr/local/nvidia/lib64", "/usr/lib/wsl/lib", "/run/opengl-driver/lib"};

void* openDefault(const std::string& library) {
  void* handle = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle != nullptr) return handle;
  std::string reason = dlerror(), separator = ", also not in ";
  for (const char* folder : driverFolders) {
    handle = dlopen((std::string(folder) + "/" + library).c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle != nullptr) return handle;
    reason += std::exchange(separator, ", ") + folder;
  }
  unavailable("no CUDA driver: " + reason +
              "; install the NVIDIA driver, set SPINEGRAD_CUDA_LIBRARY to its path, or use the device cpu");
}

Driver load() {
  const char* variable = std::getenv("SPINEGRAD_CUDA_LIBRARY");
  const bool configured = variable != nullptr && *variable != '\0';
  const std::string library = configured ? variable : "libcuda.so.1";
  void* handle = configured ? dlopen(variable, RTLD_NOW | RTLD_LOCAL) : openDefault(library);
  if (handle == nullptr) unavailable("SPINEGRAD_CUDA_LIBRARY: " + std::string(dlerror()));
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
  // A kernel that the driver loads at its first launch would be loaded within a capture. The driver reads the variable
  // here; child processes must not see it.
  const bool chosen = std::getenv("CUDA_MODULE_LOADING") != nullptr;
  if (!chosen) setenv("CUDA_MODULE_LOADING", "EAGER", 0);
  const CUresult result = table.cuInit(0);
  if (!chosen) unsetenv("CUDA_MODULE_LOADING");
  if (result != CUDA_SUCCESS) {
    unavailable(initializationError(table, result, library));
  }
  return table;
}

/// Errors after which the driver rejects every further call of the process.
bool isFatal(CUresult result) {
  switch (result) {
    case CUDA_ERROR_ECC_UNCORRECTABLE:
    case CUDA_ERROR_NVLINK_UNCORRECTABLE:
    case CUDA_ERROR_ILLEGAL_ADDRESS:
    case CUDA_ERROR_LAUNCH_TIMEOUT:
    case CUDA_ERROR_ASSERT:
    case CUDA_ERROR_HARDWARE_STACK_ERROR:
    case CUDA_ERROR_ILLEGAL_INSTRUCTION:
    case CUDA_ERROR_MISALIGNED_ADDRESS:
    case CUDA_ERROR_INVALID_ADDRESS_SPACE:
    case CUDA_ERROR_INVALID_PC:
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

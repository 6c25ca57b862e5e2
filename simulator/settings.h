// Settings from the environment:
//
//   SPINEGRAD_SIMULATOR_ORDER       forward (default), reverse or random:SEED: the order of the threads of a block and
//   of
//                                   the blocks of a grid. Results must not depend on it.
//   SPINEGRAD_SIMULATOR_SECONDS     time limit of a kernel (default 120)
//   SPINEGRAD_SIMULATOR_MEMORY      bytes of memory per device (default 4 GiB)
//   SPINEGRAD_SIMULATOR_DEVICES     number of devices (default 1; 0 is a machine without a GPU)
//   SPINEGRAD_SIMULATOR_VERSION     CUDA version of the driver (default 13000)
//   SPINEGRAD_SIMULATOR_CAPABILITY  compute capability times ten (default 90); below 80 the backend uses other kernels
//   SPINEGRAD_SIMULATOR_FAIL        NAME=RESULT, for example cuLaunchKernel=701: this function always fails
//   SPINEGRAD_SIMULATOR_THREADS     number of OS threads that run blocks (default: the number of processors)
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace spinegrad::simulator {

struct Settings {
  enum class Order { forward, reverse, random };

  Order order = Order::forward;
  uint64_t seed = 0;
  double seconds = 120;
  size_t memory = size_t{4} << 30;
  int devices = 1;
  int version = 13000;
  int capability = 90;
  std::string failing;
  int result = 0;
  int threads;
};

const Settings& settings();

}  // namespace spinegrad::simulator

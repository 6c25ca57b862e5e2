// What the environment sets:
//   SPINEGRAD_SIMULATOR_ORDER    forward (default), reverse, or random:SEED: in which order the threads of a block, and
//   the
//                                blocks of a grid, get their turn. Results must not depend on it.
//   SPINEGRAD_SIMULATOR_SECONDS  a kernel that runs longer than this is stopped and reported (default 120)
//   SPINEGRAD_SIMULATOR_MEMORY   bytes of memory of each device (default 4 GiB)
//   SPINEGRAD_SIMULATOR_DEVICES  how many devices there are (default 1; 0 is a machine without any)
//   SPINEGRAD_SIMULATOR_VERSION  the CUDA version that the driver is for (default 13000)
//   SPINEGRAD_SIMULATOR_CAPABILITY  the compute capability times ten (default 90): below 80 backends take other kernels
//   SPINEGRAD_SIMULATOR_FAIL     NAME=RESULT, for example cuLaunchKernel=701: that function fails, always
//   SPINEGRAD_SIMULATOR_THREADS  how many OS threads run blocks (default: one for each processor)
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

// wrong LIBRARY KERNEL: runs a kernel of kernels/wrong.cu on two blocks of 64 threads (one, if it only concerns one),
// with two arrays of 64 floats of which only the first is written. Ends with status 3 if the driver reports an error.
#include "test/simulator/driver.h"

int main(int, char** arguments) {
  open(arguments[1]);
  const std::string name = arguments[2];
  const unsigned blocks = name.find("_between_blocks") != std::string::npos ? 2 : 1;
  const unsigned dynamicShared = name.find("dynamic") != std::string::npos ? 256 : 0;
  {
    Buffer<float> x(std::vector<float>(64, 1)), y(64);
    CHECK(launch(name.c_str(), {blocks}, {64}, dynamicShared, x.address(), y.address(), 64));
  }
  printf("nothing was found\n");
}

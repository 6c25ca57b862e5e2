// faulty LIBRARY KERNEL: runs a kernel of kernels/faulty.cu on one block of 64 threads, or on two if its name ends with
// "between_blocks". x and y have 64 floats, and only x is initialized. Exits with status 3 if the driver returns an
// error.
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
  printf("no error was reported\n");
}

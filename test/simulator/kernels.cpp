// kernels LIBRARY: lists the kernels of a simulator library with the offsets and sizes of their parameters.
#include <dlfcn.h>

#include <cstdio>

int main(int, char** arguments) {
  void* const library = dlopen(arguments[1], RTLD_NOW);
  if (!library) {
    printf("%s\n", dlerror());
    return 2;
  }
  const auto list = reinterpret_cast<const char* (*)()>(dlsym(library, "spinegradSimulatorKernels"));
  fputs(list(), stdout);
}

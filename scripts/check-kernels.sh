#!/usr/bin/env bash
# Runs the tests of the operations on the simulator with its checker, which reports races, accesses out of bounds and
# reads of uninitialized memory. Arguments: test files of operations (default: all, and the tests of the simulator).
set -euo pipefail
cd "$(dirname "$0")/.."

command -v clang++ >/dev/null || {
  echo "check:kernels: clang++ was not found; on Debian: apt-get install clang" >&2
  exit 1
}
npm run build
cmake -S simulator -B build/checked -G Ninja -DCMAKE_CXX_COMPILER=clang++ -DSPINEGRAD_CHECKED=ON >/dev/null
cmake --build build/checked

# Without the cache each tensor is its own allocation with red zones around it.
export SPINEGRAD_CUDA_LIBRARY=build/Release/libcuda-simulator-checked.so SPINEGRAD_CUDA_CACHE=0
TIMEOUT=600000 # milliseconds per test: checked kernels are about ten times slower
if (($#)); then
  npx vitest run --project cuda "$@" --testTimeout "$TIMEOUT"
else
  npx vitest run --project cuda test/ops test/optim --testTimeout "$TIMEOUT"
  npx vitest run --project spinegrad test/simulator --testTimeout "$TIMEOUT"
fi

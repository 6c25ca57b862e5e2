#!/usr/bin/env bash
# Runs the CPU's tests of operations and networks with blocks of 16 channels, as a processor with AVX-512 has them, on
# one without: the same code in AVX2's instructions. Arguments are test files (default: all of those).
set -euo pipefail
cd "$(dirname "$0")/.."

npm run build
npx cmake-js build --out build/wide-cmake --CDSPINEGRAD_WIDE=ON --target spinegrad
(($#)) || set -- test/ops test/nn test/optim
NODE_BINDINGS_COMPILED_DIR=build/wide npx vitest run --project spinegrad "$@"

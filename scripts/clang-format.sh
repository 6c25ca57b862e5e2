#!/usr/bin/env bash
# Runs clang-format 14 with the given arguments on all C++ and CUDA files. Other versions format differently. Without
# version 14 nothing is checked and a message is printed; under CI that is an error.
set -euo pipefail
cd "$(dirname "$0")/.."

version=14
for tool in "clang-format-$version" clang-format; do
  if "$tool" --version 2>/dev/null | grep -q "version $version\."; then
    find native kernels simulator test -name '*.cpp' -o -name '*.h' -o -name '*.cu' -o -name '*.cuh' | xargs "$tool" "$@"
    exit
  fi
done
echo "clang-format $version was not found: C++ formatting was not checked; on Debian 12: apt-get install clang-format" >&2
[[ -z "${CI:-}" ]]

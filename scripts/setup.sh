#!/usr/bin/env bash
# Installs missing build tools and npm packages, then builds spinegrad. Does nothing if everything is up to date.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
  printf 'setup: %s\n' "$@" >&2
  exit 1
}

onednn_from_source=(
  "To build oneDNN 2 from source:"
  "  git clone --depth 1 --branch v2.6.3 https://github.com/oneapi-src/oneDNN /tmp/oneDNN"
  "  cmake -S /tmp/oneDNN -B /tmp/oneDNN/build -DCMAKE_BUILD_TYPE=Release -DDNNL_BUILD_TESTS=OFF -DDNNL_BUILD_EXAMPLES=OFF"
  "  sudo cmake --build /tmp/oneDNN/build --parallel --target install && sudo ldconfig"
  "Then run ./scripts/setup.sh again."
)

[[ "$(uname -sm)" == "Linux x86_64" ]] || fail "spinegrad runs on Linux on x86-64; found $(uname -sm)."

node_version=$(node --version 2>/dev/null || true)
node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 17) ? 0 : 1)' 2>/dev/null ||
  fail "Node.js 20.17 or newer is needed, found ${node_version:-none}. On Debian and Ubuntu, as root:" \
    "  curl -fsSL https://deb.nodesource.com/setup_20.x | bash - && apt-get install -y nodejs" \
    "Elsewhere: https://nodejs.org/en/download. Then run ./scripts/setup.sh again."
command -v npm >/dev/null || fail "npm was not found; install it, then run ./scripts/setup.sh again."

missing=()
command -v g++ >/dev/null || missing+=(g++)
command -v cmake >/dev/null || missing+=(cmake)
command -v ninja >/dev/null || missing+=(ninja-build)
[[ -e /usr/include/dnnl.hpp || -e /usr/local/include/dnnl.hpp ]] || missing+=(libdnnl-dev)

if ((${#missing[@]})); then
  command -v apt-get >/dev/null ||
    fail "these packages are missing (Debian's names): ${missing[*]}" \
      "Install a C++20 compiler (g++ 11 or newer), CMake 3.25 or newer, Ninja, and oneDNN 2 with its headers." \
      "${onednn_from_source[@]}"
  as_root=()
  if ((EUID)); then
    command -v sudo >/dev/null || fail "${missing[*]} must be installed; run as root: apt-get install -y ${missing[*]}" "Then run ./scripts/setup.sh again."
    as_root=(sudo)
  fi
  printf 'setup: installing %s\n' "${missing[*]}"
  "${as_root[@]}" apt-get update -qq
  if [[ " ${missing[*]} " == *" libdnnl-dev "* ]]; then
    offered=$(apt-cache policy libdnnl-dev | awk '/Candidate:/ { print $2 }')
    [[ "$offered" == 2.* ]] ||
      fail "oneDNN 2 is needed (Debian 12 has it); this system offers libdnnl-dev ${offered:-(none)}." "${onednn_from_source[@]}"
  fi
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

digest() { find "$@" -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum; }
# Each stamp is in the folder that it describes, so that it is deleted with it.
packages="$(digest package-lock.json) $node_version"
sources="$(digest CMakeLists.txt cmake tsconfig.json kernels native simulator test/simulator ts)"
if [[ "$(cat node_modules/.setup 2>/dev/null)" != "$packages" ]]; then
  npm ci --no-audit --no-fund # runs `prepare`, which builds the addon and dist/
elif [[ "$(cat build/.setup dist/.setup 2>/dev/null)" != "$sources"$'\n'"$sources" ]]; then
  npm run build
else
  echo 'setup: everything is up to date'
  exit
fi
echo "$packages" >node_modules/.setup
echo "$sources" | tee build/.setup >dist/.setup
echo 'setup: done'

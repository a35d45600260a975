# Sourced by ./start and ./check: what the build and the tests need, by name, from Debian, PyPI and npm.

BUILD_PACKAGES="clang-19 g++-12 cmake ninja-build mold ccache pkg-config git libboost1.81-dev liburing-dev libisal-dev
  libroaring-dev librocksdb-dev libssl-dev libprotobuf-dev protobuf-compiler libexpat1-dev libxxhash-dev libfmt-dev libcli11-dev
  nlohmann-json3-dev prometheus-cpp-dev libre2-dev
  libgtest-dev libgmock-dev libbenchmark-dev openssl"
TEST_PACKAGES="libclang-rt-19-dev python3 python3-venv python3-pip curl rclone restic s3fs"
TIDY_PACKAGES="clang-tidy-19"

# Where things that may be thrown away are kept between runs: compiler cache, Python environments, npm packages.
GRANARY_CACHE="${GRANARY_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/granary}"
export CCACHE_DIR="${CCACHE_DIR:-$GRANARY_CACHE/ccache}" CCACHE_MAXSIZE="${CCACHE_MAXSIZE:-5G}"

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# install_packages NAME...: installs those that are missing; says nothing when all are there.
install_packages() {
  local missing=() name
  for name in "$@"; do
    dpkg-query -W -f='${Status}' "$name" 2>/dev/null | grep -q 'install ok installed' || missing+=("$name")
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  echo "installing: ${missing[*]}"
  local log; log=$(mktemp)
  if as_root apt-get update >"$log" 2>&1 &&
     as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}" >>"$log" 2>&1; then
    rm -f "$log"
    return 0
  fi
  tail -n 20 "$log" >&2
  echo "these Debian packages could not be installed: ${missing[*]}" >&2
  return 1
}

# build_preset PRESET [TARGET...]: configures and builds; quiet unless it fails.
build_preset() {
  local preset=$1 log; shift
  mkdir -p build
  log=build/$preset.log
  if cmake --preset "$preset" >"$log" 2>&1 && cmake --build "build/$preset" ${1:+--target "$@"} >>"$log" 2>&1; then
    return 0
  fi
  grep -E 'error|FAILED|CMake Error' -A 5 "$log" | tail -n 60 >&2
  echo "the $preset build failed; all of it is in $log" >&2
  return 1
}

# python_environment NAME FILE: prints the folder of an environment with the packages of requirements FILE; made once,
# kept by the hash of the file.
python_environment() {
  local name=$1 file=$2 hash folder
  hash=$(cat "$file" | sha256sum | cut -c1-16)
  folder=$GRANARY_CACHE/python-$name-$hash
  if [ ! -e "$folder/complete" ]; then
    rm -rf "$folder"
    mkdir -p "$GRANARY_CACHE"
    { python3 -m venv "$folder" && "$folder/bin/pip" -q install uv==0.13.9 &&
      "$folder/bin/uv" pip install -q --python "$folder/bin/python" -r "$file"; } >&2 || return 1
    touch "$folder/complete"
  fi
  echo "$folder"
}

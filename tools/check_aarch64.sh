#!/usr/bin/env bash
# Cross-compiles the native kernels for aarch64 (NEON) and runs tests/native/driver.c under emulation.
# Debian and Ubuntu: installs the compiler and the emulator where they are absent, and ends with 77 where it cannot.
# CORTEN_HOST_DRIVER=1 builds and runs the same driver with this machine's own compiler instead.
set -euo pipefail
cd "$(dirname "$0")/.."

if [[ ${CORTEN_HOST_DRIVER:-0} == 1 ]]; then
    cc=(gcc) run=()
else
    cc=(aarch64-linux-gnu-gcc) run=(qemu-aarch64)
    if ! command -v "${cc[0]}" >/dev/null || ! command -v qemu-aarch64 >/dev/null; then
        sudo=(); [[ $(id -u) == 0 ]] || sudo=(sudo -n)
        export DEBIAN_FRONTEND=noninteractive
        if ! { command -v apt-get >/dev/null && "${sudo[@]}" apt-get update -qq </dev/null && "${sudo[@]}" apt-get install \
            -y -qq --no-install-recommends gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user </dev/null; }; then
            echo "aarch64: gcc-aarch64-linux-gnu and qemu-user are absent and cannot be installed" >&2
            exit 77 # skipped
        fi
    fi
fi

out=build/driver-${cc[0]}
mkdir -p "$out"
# the flags of setup.py, on one instruction set; static, so that the emulator needs no libraries
flags=(-std=gnu11 -O3 -g0 -ffp-contract=off -fno-math-errno -fno-trapping-math -fvisibility=hidden -Wall -Wextra -Werror -Inative)
objects=()
compile() { # SOURCE OBJECT FLAGS...
    local source=$1 object=$out/$2.o
    shift 2
    objects+=("$object")
    while (($(jobs -rp | wc -l) >= $(nproc))); do wait -n; done
    "${cc[@]}" "${flags[@]}" "$@" -c "$source" -o "$object" &
}
for double in 0 1; do
    suffix=$([[ $double == 1 ]] && echo f64 || echo f32)_baseline
    for source in $(ls -S native/kernels/*.c native/learn/*.c) tests/native/driver.c; do # the longest first
        compile "$source" "$(basename "$source" .c)_$suffix" "-DCT_REAL_DOUBLE=$double" "-DCT_SUFFIX=$suffix"
    done
done
for source in native/*.c; do
    compile "$source" "$(basename "$source" .c)" -DCT_WITH_BASELINE -fopenmp
done
compile tests/native/driver.c main -DCT_DRIVER_MAIN
while (($(jobs -p | wc -l) > 0)); do wait -n || exit 1; done
"${cc[@]}" -static -fopenmp "${objects[@]}" -lm -o "$out/driver"
for threads in 1 2; do
    "${run[@]}" "$out/driver" "$threads"
done
file=$(od -An -t u2 -j 18 -N 2 "$out/driver" | tr -d ' ') # e_machine: 183 is AArch64
[[ ${CORTEN_HOST_DRIVER:-0} == 1 || $file == 183 ]]
echo "aarch64: ok"

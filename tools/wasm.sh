#!/bin/sh
# wasm.sh FOLDER CORE...: run the tests in C as WebAssembly under node, and say how large the core is.
#
# Three builds: as Python in a browser has it (no threads, vectors of 128 bits), without vectors, and
# with threads. The environment gives CFLAGS and HINT, as for ctests.sh.
set -eu
folder=$1
shift

# Debian has what emcc's optimizer of scripts wants where only Debian's own node looks.
NODE_PATH=${NODE_PATH:+$NODE_PATH:}/usr/share/nodejs
# Scripts of older emcc take a file for a URL where there is fetch().
NODE_OPTIONS=${NODE_OPTIONS:+$NODE_OPTIONS }--no-experimental-fetch
export NODE_PATH NODE_OPTIONS HINT
# kernels keep a few tiles on the stack; newer emcc's default of 64 KiB is too little for them
LDFLAGS="-sALLOW_MEMORY_GROWTH -sTOTAL_STACK=1MB"
CC=emcc RUN=node
export CC RUN

check() {
    kind=$1 flags=$2 link=$3
    shift 3
    CFLAGS="$CFLAGS -O2 $flags" LDFLAGS="$LDFLAGS $link" tools/ctests.sh "$folder/$kind" "$@"
}

check simd -msimd128 "" "$@"
check plain "" "" "$@"
# main may wait for others where it isn't node's own thread, which starts them
check threads "-msimd128 -pthread" "-sPROXY_TO_PTHREAD -sEXIT_RUNTIME" "$@" 2>"$folder/log" ||
    { cat "$folder/log" >&2; exit 1; }

# A side module is what an extension module of Pyodide is: all functions of the core, nothing of libc.
for kind in "-O2 -msimd128" "-Os -msimd128" "-O2" "-Os"; do
    module=$folder/core$(echo "$kind" | tr -d ' ').wasm
    # shellcheck disable=SC2086 # flags are words
    emcc -std=gnu11 -DNDEBUG -fno-math-errno -ffp-contract=fast -fopenmp-simd $kind \
        -fPIC -sSIDE_MODULE=1 -Icsrc "$@" -o "$module"
    printf '%-16s %8d bytes, %7d by gzip -9\n' "$kind" "$(wc -c <"$module")" \
        "$(gzip -9 -c "$module" | wc -c)"
done

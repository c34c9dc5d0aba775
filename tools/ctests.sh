#!/bin/sh
# ctests.sh FOLDER CORE...: compile the C files CORE into FOLDER, link every tests/c/*.c with them and
# run it. The environment gives CC, CFLAGS, LDFLAGS (for linking alone), RUN (what runs a program, such
# as qemu) and HINT (how to get what is missing).
set -eu
folder=$1
shift

for tool in $CC ${RUN:-}; do
    if ! command -v "$tool" >/dev/null; then
        printf '\n%s is missing here. On Debian or Ubuntu:\n    %s\n\n' "$tool" "$HINT" >&2
        exit 1
    fi
done

rm -rf "$folder"
mkdir -p "$folder"
for source in "$@"; do
    # shellcheck disable=SC2086 # flags are words
    $CC $CFLAGS -Icsrc -c "$source" -o "$folder/$(echo "$source" | tr / _).o"
done
failed=0
for test in tests/c/*.c; do
    program=$folder/$(basename "$test" .c)
    # shellcheck disable=SC2086
    $CC $CFLAGS -Icsrc "$test" "$folder"/*.o ${LDFLAGS:-} -lm -o "$program"
    echo "== $program"
    ${RUN:-} "$program" || failed=1
done
exit $failed

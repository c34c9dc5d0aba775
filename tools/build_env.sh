#!/bin/sh
# build_env.sh PYTHON COMMAND...: run COMMAND where extensions of PYTHON can be compiled, or say what
# is missing.
#
# Debian's python3 comes without Python.h. Where it is missing, the package that has it is fetched and
# unpacked under build/, which needs no root.
set -u
python=$1
shift
build=$PWD/build
mkdir -p "$build"

stop() {
    printf '\n%s\n\n' "$1" >&2
    exit 1
}

ask() {
    "$python" -c "import sys, sysconfig; print($1)"
}

# compiles COMPILER INCLUDE [FLAG]...
compiles() {
    compiler=$1
    printf '#include <%s>\nint main(void) { return 0; }\n' "$2" >"$build/probe.c"
    shift 2
    # unquoted: a compiler may come with flags of its own, as in CC="gcc -m64"
    $compiler "$@" "$build/probe.c" -o "$build/probe" 2>/dev/null
}

choose_compiler() {
    for candidate in "${CC:-}" "$(ask "sysconfig.get_config_var('CC') or ''")" cc gcc clang; do
        if [ -n "$candidate" ] && compiles "$candidate" stdio.h; then
            CC=$candidate
            export CC
            return
        fi
    done
    stop "\
aecore is built from C, and there is no working C compiler here. On Debian or Ubuntu:
    sudo apt-get install gcc libc6-dev"
}

download() {
    apt-get -q download "$1" 2>/dev/null && return
    # Lists are empty or old, and updating the system's needs root: use our own.
    mkdir -p lists/partial cache/archives/partial
    cat >apt.conf <<END
Dir::State::lists "$PWD/lists";
Dir::Cache "$PWD/cache";
APT::Sandbox::User "$(id -un)";
END
    export APT_CONFIG="$PWD/apt.conf"
    apt-get -q update && apt-get -q download "$1"
}

fetch_headers() {
    package=libpython$version-dev
    echo "Python.h is missing here: fetching $package, which has it, into $headers"
    rm -rf "$headers"
    mkdir -p "$headers" && cd "$headers" && download "$package" && dpkg-deb -x "$package"_*.deb .
}

find_headers() {
    version=$(ask "'%d.%d' % sys.version_info[:2]")
    headers=$build/headers-$version
    include=-I$(ask "sysconfig.get_path('include')")
    compiles "$CC" Python.h -c "$include" && return
    if [ "$(ask sys.base_prefix)" = /usr ] && command -v apt-get >/dev/null; then
        # The second path is for pyconfig.h, which includes another from a folder per architecture.
        usr=$headers/usr/include
        export C_INCLUDE_PATH="$usr/python$version:$usr${C_INCLUDE_PATH:+:$C_INCLUDE_PATH}"
        compiles "$CC" Python.h -c "$include" && return
        (fetch_headers >&2) && compiles "$CC" Python.h -c "$include" && return
    fi
    stop "\
aecore is built from C, and the headers of $python (Python.h) are missing here. On Debian or Ubuntu:
    sudo apt-get install python3-dev"
}

choose_compiler
find_headers
exec "$@"

#!/bin/sh
# venv.sh PYTHON FOLDER: make a virtual environment, or say what is missing for one.
set -u
python=$1
folder=$2

stop() {
    printf '\n%s\n\n' "$1" >&2
    exit 1
}

"$python" -c 'pass' 2>/dev/null || stop "\
aecore needs Python 3.10 or newer, and there is no working '$python' here. On Debian or Ubuntu:
    sudo apt-get install python3 python3-venv
If yours has another name: make PYTHON=/path/to/python"

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' || stop "\
aecore needs Python 3.10 or newer, and '$python' is $("$python" -V 2>&1). Debian 12 and Ubuntu 22.04
have one (sudo apt-get install python3 python3-venv); if yours has another name:
    make PYTHON=python3.12"

"$python" -c 'import venv, ensurepip' 2>/dev/null || stop "\
'$python' cannot make virtual environments: its venv or ensurepip module is missing. On Debian or
Ubuntu, where they are a package of their own:
    sudo apt-get install python3-venv"

rm -rf "$folder"
"$python" -m venv "$folder" || stop "\
'$python -m venv $folder' failed, see above. On Debian or Ubuntu this often helps:
    sudo apt-get install python3-venv"

"""``python -m aecore``: the command line, where ``aecore`` isn't on the path."""

import sys

from .cli import main

sys.exit(main())

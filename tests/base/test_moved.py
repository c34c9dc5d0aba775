"""Old names of modules that threads import at the same time."""

import importlib
import sys
from importlib.machinery import ModuleSpec

from aecore.base.moved import MODULES, _Moved


def test_a_module_keeps_its_spec_where_two_old_names_are_imported_at_once():
    moved = next(finder for finder in sys.meta_path if isinstance(finder, _Moved))
    assert MODULES["nn.quantizer"] == MODULES["nn.unit"]
    module = importlib.import_module(f"aecore.{MODULES['nn.unit']}")
    spec = module.__spec__
    old = [ModuleSpec(f"aecore.{name}", moved) for name in ("nn.quantizer", "nn.unit")]
    for one in old:  # as the import system does, in two threads
        assert moved.create_module(one) is module
        module.__spec__ = one
    for one in old:
        module.__spec__ = one
        moved.exec_module(module)
    assert module.__spec__ is spec

"""The stub of the compiled core against the core."""

import ast
import inspect
import pathlib

import aecore
from aecore import _core


def test_the_stub_has_every_function_with_its_arguments():
    path = pathlib.Path(aecore.__file__).with_name("_core.pyi")
    stub = {
        node.name: [a.arg for a in (*node.args.posonlyargs, *node.args.args)]
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef)
    }
    core = {
        name: list(inspect.signature(value).parameters)
        for name, value in vars(_core).items()
        if inspect.isbuiltin(value)
    }
    assert stub == core

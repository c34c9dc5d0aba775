"""A file of a configuration and arrays: safetensors with JSON in the metadata, and a digest of all.

Writing is atomic: the file is there whole, or as it was before.
"""

from __future__ import annotations

import re
from collections.abc import Container
from typing import Any

import numpy as np

from . import container
from .codec import same_keys

FORMAT = "1"


class NewerFormat(ValueError):
    """A file is of a format that came after this version of aecore."""


def write(
    path: Any,
    config: dict[str, Any],
    tensors: dict[str, np.ndarray],
    halves: Container[str] = (),
) -> None:
    """Write a configuration, an object for JSON, and arrays by name.

    `halves` are names of arrays whose values bfloat16 has, as which they are written.
    """
    import json

    text = json.dumps(config, allow_nan=False)
    metadata = {"aecore": FORMAT, "config": text, "digest": _digest(text, tensors)}
    container.write(path, tensors, metadata, halves)


def read(path: Any) -> tuple[Any, dict[str, np.ndarray]]:
    """Return the configuration and the arrays, once the digest agrees.

    Raises
    ------
    NewerFormat
        For a file that a newer aecore has written.
    ValueError
        For damage, and for anything else.
    """
    import json

    tensors, metadata = container.read(path)
    _check_format(metadata.get("aecore", FORMAT))
    same_keys(metadata, ["aecore", "config", "digest"], "metadata")
    if metadata["digest"] != _digest(metadata["config"], tensors):
        raise ValueError("digest: expected that of the contents, got another: damaged or edited")
    return json.loads(metadata["config"], parse_constant=_refuse), tensors


def _check_format(found: str) -> None:
    if re.fullmatch("[1-9][0-9]{0,8}", found) and int(found) > int(FORMAT):
        raise NewerFormat(
            f"expected a model file of format {FORMAT}, got one of format {found}, written by a "
            "newer aecore: pip install --upgrade aecore"
        )
    if found != FORMAT:
        raise ValueError(f"format: expected {FORMAT!r}, got {found!r}")


def _refuse(constant: str) -> None:
    raise ValueError(f"configuration: expected finite numbers, got {constant}")


def _digest(config: str, tensors: dict[str, np.ndarray]) -> str:
    import hashlib

    digest = hashlib.blake2b(config.encode(), digest_size=32)
    for name in sorted(tensors):
        array = tensors[name]
        digest.update(f"\n{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()

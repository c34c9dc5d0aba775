"""Training curves: beside PyTorch where it is installed, and against its frozen losses anywhere."""

import json
import pathlib

import numpy as np
import pytest
from support.curves import CURVES, aecore_curve

GOLDEN = json.loads(
    pathlib.Path(__file__).parents[1].joinpath("support", "golden.json").read_text()
)["losses"]


@pytest.mark.parametrize("curve", CURVES, ids=lambda c: c.name)
def test_losses_are_those_frozen_from_pytorch(curve):
    want = GOLDEN[curve.name]
    got = aecore_curve(curve, len(want))
    np.testing.assert_allclose(got, want, rtol=curve.rtol)
    assert want[-1] < want[0], "the curve should fall"


@pytest.mark.parity
@pytest.mark.parametrize("curve", CURVES, ids=lambda c: c.name)
def test_200_steps_beside_pytorch(curve):
    pytest.importorskip("torch")
    from support.torch_curves import torch_curve

    want = torch_curve(curve, 200)
    np.testing.assert_allclose(aecore_curve(curve, 200), want, rtol=curve.rtol)

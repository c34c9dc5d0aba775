"""The vector quantizer: codes, gradients, and how the codebook learns."""

import copy

import numpy as np
import pytest
from aecore import nn
from cases.base import normal
from support.layers import gradients, run
from support.modules import assert_same_state, state


class TestVectorQuantizer:
    def make(self, rng, **options):
        layer = nn.VectorQuantizer(7, 3, commitment=0.5, **options)
        layer.initialize(1)
        return layer, normal(rng, 4, 2, 5, 3)

    def nearest(self, layer, z):
        return ((z[..., None, :] - layer.codebook) ** 2).sum(-1).argmin(-1)

    @pytest.mark.parametrize("mode", ["ema", "loss"])
    def test_values_terms_and_gradients(self, mode, rng):
        layer, z = self.make(rng, codebook=mode)
        index, entries = self.nearest(layer, z), layer.codebook.copy()
        twin = copy.deepcopy(layer)
        y = layer(z, training=True)
        np.testing.assert_array_equal(y, entries[index])
        np.testing.assert_array_equal(layer.indices, index)
        assert layer.indices.dtype == np.int64
        distance = ((z - y) ** 2).sum((1, 2, 3))
        np.testing.assert_allclose(layer.terms["vq"], distance, rtol=1e-5)
        np.testing.assert_allclose(layer.terms["commitment"], 0.5 * distance, rtol=1e-5)
        grad = normal(rng, *z.shape)
        same, dz, grads = gradients(twin, z, grad, training=True)
        np.testing.assert_array_equal(same, y)
        assert_same_state(state(twin), state(layer))
        want = grad + 2 * 0.5 * (z - entries[index]) / 4  # the mean of 4 samples
        np.testing.assert_allclose(dz, want, rtol=1e-5, atol=1e-6)
        if mode == "loss":
            assert layer.minimized == ("vq", "commitment")
            want = np.zeros_like(entries)
            np.add.at(want, index, 2 * (entries[index] - z) / 4)
            np.testing.assert_allclose(grads["entries"], want, rtol=1e-4, atol=1e-6)
            np.testing.assert_array_equal(layer.codebook, entries)
        else:
            assert layer.minimized == ("commitment",) and layer.n_parameters == 0

    def test_moving_averages(self, rng):
        """The codebook that quantises a batch is the one before the batch moves it."""
        layer, z = self.make(rng, decay=0.75, restart_dead=False)
        count, total = np.ones(7), layer.codebook.astype(np.float64)
        for scale in (1, 2, 0.5):
            rows = (scale * z).reshape(-1, 3)
            index = self.nearest(layer, rows)
            y = layer(scale * z, training=True)
            assert self.nearest(layer, rows).tolist() != index.tolist() or scale > 1
            np.testing.assert_array_equal(layer.indices.ravel(), index)
            hot = np.eye(7)[index]
            count = 0.75 * count + 0.25 * hot.sum(0)
            total = 0.75 * total + 0.25 * hot.T @ rows
            smooth = (count + 1e-5) / (count.sum() + 7e-5) * count.sum()
            np.testing.assert_allclose(layer.codebook, total / smooth[:, None], rtol=1e-4)
            assert np.isfinite(y).all()
        np.testing.assert_allclose(layer.buffer("count"), count, rtol=1e-5)
        np.testing.assert_allclose(layer.buffer("sum"), total, rtol=1e-4, atol=1e-6)

    def test_without_training_nothing_changes(self, rng):
        for mode in ("ema", "loss"):
            layer, z = self.make(rng, codebook=mode)
            before = state(layer)
            layer(z)
            run(layer, z).back(np.zeros_like(z))
            assert_same_state(state(layer), before)

    def test_batches_that_are_empty_or_not_finite_change_nothing(self, rng):
        layer, z = self.make(rng)
        layer(z, training=True)
        before = state(layer)
        assert run(layer, z[:0], training=True).back(z[:0]).shape == (0, 2, 5, 3)
        z[0, 0, 0, 0] = np.nan
        layer(z, training=True)
        assert_same_state(state(layer), before)

    @pytest.mark.parametrize("mode", ["ema", "loss"])
    def test_entries_out_of_use_start_anew(self, mode, rng):
        layer, z = self.make(rng, codebook=mode, decay=0.5)
        far = layer.codebook + np.float32(100)
        layer.codebook[2:] = far[2:]
        layer._start_averages()
        rows = z.reshape(-1, 3)
        for _ in range(19):
            run(layer, z, training=True).back(np.zeros_like(z))
        layer(z, training=True)
        distance = np.abs(layer.codebook[:, None] - rows).sum(2).min(1)
        assert (layer.codebook < 50).all()
        assert set(layer.indices.ravel()) > {0, 1} and len(np.unique(layer.indices)) >= 5
        if mode == "loss":  # nothing has moved them since
            assert (distance[2:] == 0).all() and len(np.unique(layer.codebook[2:], axis=0)) == 5
        else:
            ratio = layer.buffer("sum") / layer.buffer("count")[:, None]
            np.testing.assert_allclose(layer.codebook, ratio, rtol=1e-3)
        assert layer.buffer("position")[0] % len(rows) == 0 < layer.buffer("position")[0]

    def test_restarts_are_a_function_of_seed_and_position(self, rng):
        results = []
        for seed in (5, 5, 6):
            layer, z = self.make(np.random.default_rng(0), decay=0.5)
            layer.seed = seed
            layer.codebook[2:] += 100
            layer._start_averages()
            for _ in range(8):
                layer(z, training=True)
            results.append(layer.codebook.copy())
            assert layer.buffer("position")[0] > 0
            layer.initialize(1)
            assert layer.buffer("position")[0] == 0
        np.testing.assert_array_equal(results[0], results[1])
        assert (results[0] != results[2]).any()

    def test_entries_in_use_are_never_restarted(self, rng):
        """However rare it is, an entry that this batch uses stays."""
        layer, z = self.make(rng, codebook="loss")
        layer.buffer("count")[:] = [1e-6] + [10] * 6
        layer.codebook[0] = z[0, 0, 0]
        before = layer.codebook.copy()
        layer(z, training=True)
        assert layer.buffer("count")[0] < 0.02 * layer.buffer("count").mean()
        np.testing.assert_array_equal(layer.codebook, before)
        layer(before[None, 1:], training=True)  # the others alone
        assert (layer.codebook[0] != before[0]).any()

    def test_kmeans_finds_clusters(self, rng):
        centers = 10 * normal(rng, 7, 3)
        rows = (centers[rng.integers(0, 7, 400)] + 0.01 * normal(rng, 400, 3)).astype(np.float32)
        layer, _ = self.make(rng)
        layer.start_kmeans(rows)
        layer(rows)
        assert layer.terms["vq"].mean() < 1e-3
        distance = np.sqrt(((layer.codebook[:, None] - centers) ** 2).sum(2))
        assert sorted(distance.argmin(1)) == list(range(7)) and distance.min(1).max() < 0.05
        assert (layer.buffer("count") == 1).all()
        np.testing.assert_array_equal(layer.buffer("sum"), layer.codebook)
        other = copy.deepcopy(layer)
        other.initialize(2)
        other.start_kmeans(rows)
        np.testing.assert_array_equal(other.codebook, layer.codebook)

    def test_kmeans_with_few_rows(self, rng):
        layer, _ = self.make(rng)
        rows = normal(rng, 4, 3)
        layer.start_kmeans(rows)
        layer(rows)
        assert layer.terms["vq"].max() < 0.01 and len(np.unique(layer.codebook, axis=0)) == 7
        for bad in (rows[:0], rows[:, :2], rows[0], np.full((9, 3), np.inf, np.float32)):
            before = layer.codebook.copy()
            with pytest.raises(ValueError, match="rows"):
                layer.start_kmeans(bad)
            np.testing.assert_array_equal(layer.codebook, before)

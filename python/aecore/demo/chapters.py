"""The pictures: the code that makes each, and a text on it.

The page shows the body of each function below as the code of its picture. Its arguments are the
data, and the models by the names that a `Recipe` gives them.
"""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import aecore as ae
import aecore.plot

from .dark import darkened
from .training import DRAWING, Stages

# --------------------------------------------------------------------------------------------------
# code


def _autoencoder_reconstructions(autoencoder: Any, X_test: Any, y_test: Any) -> Any:
    return ae.plot.reconstructions(autoencoder, X_test, y_test, n=8)


def _autoencoder_map(autoencoder: Any, X_test: Any, y_test: Any) -> Any:
    return ae.plot.latent_space(autoencoder, X_test, y_test, n=2000, thumbnails=70)


def _autoencoder_training(autoencoder: Any) -> Any:
    return ae.plot.history(autoencoder)


def _denoiser_triples(denoiser: Any, X_test: Any, y_test: Any) -> Any:
    noise = np.random.default_rng(0).standard_normal(X_test.shape)
    noisy = X_test / 255 + denoiser.corruption.sigma * noise
    return ae.plot.reconstructions(denoiser, X_test, y_test, n=8, noisy=noisy)


def _vae_samples(vae: Any) -> Any:
    return ae.plot.samples(vae, n=40, columns=10, random_state=0)


def _vae_interpolation(vae: Any, X_test: Any) -> Any:
    return ae.plot.interpolation(vae, X_test[:4], X_test[4:8], n=7)


def _vae_training(vae: Any) -> Any:
    return ae.plot.history(vae)


def _plane_map(plane: Any, X_test: Any, y_test: Any) -> Any:
    return ae.plot.latent_space(plane, X_test, y_test, n=2000)


def _plane_manifold(plane: Any) -> Any:
    return ae.plot.manifold(plane)


def _cvae_classes(cvae: Any) -> Any:
    from matplotlib.figure import Figure

    rng, classes = np.random.default_rng(0), cvae.classes_
    codes = rng.standard_normal((6, cvae.latent_dim))
    made = cvae.inverse_transform(codes.repeat(len(classes), axis=0), np.tile(classes, 6))
    figure = Figure((7, 4.5), dpi=200, layout="compressed")
    ax = figure.add_subplot(frame_on=False)
    ax.imshow(ae.plot.tile(made.clip(0, 1), len(classes)), cmap="gray")
    centres = (made.shape[2] + 1) * (np.arange(len(classes)) + 0.5)
    ax.set_xticks(centres, classes, size=7.5)
    ax.tick_params(length=0, labeltop=True, labelbottom=False)
    ax.set(yticks=[], ylabel="six codes")
    ax.set_title("A row has one code, a column one class", loc="left", size=9)
    return figure


def _vqvae_reconstructions(vqvae: Any, X_test: Any, y_test: Any) -> Any:
    return ae.plot.reconstructions(vqvae, X_test, y_test, n=8)


def _vqvae_codebook(vqvae: Any, X_test: Any) -> Any:
    return ae.plot.codebook(vqvae, X_test)


# --------------------------------------------------------------------------------------------------
# texts


@dataclass(frozen=True)
class Picture:
    """A picture of a model, with a text.

    Attributes
    ----------
    name : str
        Of its file, without the number and ``.png``.
    make : function
        Returns a Figure; its arguments are among the data and the models.
    text : str
        Two sentences for someone new to autoencoders; {thing}, {things} and {lost} are the
        recipe's.
    """

    name: str
    make: Callable[..., Any]
    text: str


@dataclass(frozen=True)
class Chapter:
    """A model: a text on it, and its pictures."""

    name: str
    title: str
    text: str
    pictures: tuple[Picture, ...]


CHAPTERS = (
    Chapter(
        "autoencoder",
        "An autoencoder: a picture as two numbers",
        "The plain kind is trained for one thing: that what comes out looks like what went in. "
        "Here the code between the two networks is only two numbers, so each picture can also be "
        "drawn as a point.",
        (
            Picture(
                "autoencoder-reconstructions",
                _autoencoder_reconstructions,
                "Above are test pictures, which the networks never saw in training, below what the "
                "decoder makes of the two numbers of each. Two numbers are few: they keep which "
                "{thing} it roughly is, and lose {lost}.",
            ),
            Picture(
                "autoencoder-map",
                _autoencoder_map,
                "Every dot is a test picture, placed by its two numbers and coloured by its class; "
                "some are shown. Nobody told the networks of classes, yet {things} of the same "
                "kind have come to lie together.",
            ),
            Picture(
                "autoencoder-training",
                _autoencoder_training,
                "The error falls with every pass through the training pictures, an epoch. Where "
                "the curve has become flat, more of the same would gain little.",
            ),
        ),
    ),
    Chapter(
        "denoiser",
        "A denoising autoencoder: the clean picture from a noisy one",
        "It is given noisy pictures and must answer with the clean ones. Copying doesn't help, so "
        "it has to learn what pictures look like without noise.",
        (
            Picture(
                "denoiser-triples",
                _denoiser_triples,
                "Above is the clean picture, in the middle the noisy one, which is all that the "
                "networks are given, and below what they make of it. Both the picture and its "
                "noise are new to them, so nothing here is remembered.",
            ),
        ),
    ),
    Chapter(
        "vae",
        "A variational autoencoder (VAE): new pictures",
        "Its encoder answers with a small cloud of codes in place of one, and training presses "
        "all the clouds together into one bell-shaped heap. So a code drawn blindly from the heap "
        "decodes to a picture that nobody drew.",
        (
            Picture(
                "vae-samples",
                _vae_samples,
                "None of these exists in the data: each is a handful of random numbers, decoded. "
                "Most are plausible, and some lie between two kinds of {things}, because the heap "
                "has no borders.",
            ),
            Picture(
                "vae-interpolation",
                _vae_interpolation,
                "At the left and the right end are test pictures, and between them what the "
                "decoder makes of codes on the straight way from one to the other. As the clouds "
                "leave no gaps, there is something to see at every step.",
            ),
            Picture(
                "vae-training",
                _vae_training,
                "Training has to balance two terms: recon says how much of the picture is lost, kl "
                "how much the code tells about it. As the code tells more, less is lost.",
            ),
        ),
    ),
    Chapter(
        "plane",
        "The same with two numbers: a map without holes",
        "With a code of two numbers, a VAE draws a map like the first one on this page. Because "
        "all the clouds were pressed together, hardly a place on it is empty.",
        (
            Picture(
                "plane-map",
                _plane_map,
                "Each test picture at the middle of its cloud, coloured by its class. "
                "They crowd around zero as the bell shape wants it, and the kinds lie side by side "
                "with no empty land between.",
            ),
            Picture(
                "plane-manifold",
                _plane_manifold,
                "The decoder's answer at each place of the map, from a regular grid of codes. "
                "Neighbours look alike, and walking across the map changes one {thing} into "
                "another step by step.",
            ),
        ),
    ),
    Chapter(
        "cvae",
        "A conditional VAE (CVAE): pictures on demand",
        "Both networks are told which {thing} a picture shows, so the code is left to say how it "
        "looks. Afterwards the class can be chosen and the code be drawn at random.",
        (
            Picture(
                "cvae-classes",
                _cvae_classes,
                "Each column was asked for one class, and all pictures of a row were decoded from "
                "one code; none is from the data. The class decides what is drawn, the code how: "
                "a row has one way of looking, whatever it shows.",
            ),
        ),
    ),
    Chapter(
        "vqvae",
        "A vector-quantised VAE (VQ-VAE): pictures as words",
        "Its code is a small grid of words out of a vocabulary, the codebook, that it learns "
        "together with the networks. Words are whole numbers, so a picture takes up only a few "
        "bytes.",
        (
            Picture(
                "vqvae-reconstructions",
                _vqvae_reconstructions,
                "Test pictures above, and below what the decoder makes of the few words of each. "
                "As every word stands for a patch at its own place, details survive that two "
                "numbers couldn't keep.",
            ),
            Picture(
                "vqvae-codebook",
                _vqvae_codebook,
                "How often the test pictures use each word, from the most to the least frequent, "
                "and as a line how it would be if all were used alike. A good codebook has few "
                "idle words: the perplexity says how many evenly used ones it is worth.",
            ),
        ),
    ),
)


@dataclass(frozen=True)
class Drawn:
    """A picture that was drawn.

    Attributes
    ----------
    file : Path
        A PNG file.
    dark : bytes
        The same for dark pages, as the bytes of one.
    """

    file: Path
    dark: bytes


def draw(names: Mapping[str, Any], folder: Path, stages: Stages) -> dict[str, Drawn]:
    """Make all pictures; return them by name. Those of an earlier run are removed."""
    for old in folder.glob("[0-9][0-9]-*.png"):
        old.unlink()
    pictures = [picture for chapter in CHAPTERS for picture in chapter.pictures]
    found = {}
    for i, picture in enumerate(pictures, 1):
        arguments = {name: names[name] for name in inspect.signature(picture.make).parameters}
        file, figure = folder / f"{i:02d}-{picture.name}.png", picture.make(**arguments)
        # Without matplotlib's version in it, the same picture is the same file.
        figure.savefig(file, metadata={"Software": None})
        found[picture.name] = Drawn(file, darkened(figure))
        stages.advance(DRAWING / len(pictures))
    return found


def code_of(function: Callable[..., Any], *, result: str = "") -> str:
    """Return a function's body, its last line as ``result = ...``, or left out without result."""
    source = textwrap.dedent(inspect.getsource(function))
    body = textwrap.dedent(source[source.index("\n") + 1 :]).rstrip()
    lines, _, last = body.rpartition("return ")
    if result and last != result:
        return f"{lines}{result} = {last}"
    return lines.rstrip()

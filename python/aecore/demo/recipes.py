"""The models and data sets of the demo, with sizes and epochs for two slow cores.

The page shows the functions that load data as they are here, so they read like a user's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import aecore as ae
import aecore.datasets


@dataclass(frozen=True)
class Plan:
    """A model to train.

    Attributes
    ----------
    title : str
        Shown in the progress bar.
    model : estimator
        Not fitted yet.
    cost : float
        About the seconds of an epoch, for the progress bar.
    """

    title: str
    model: Any
    cost: float

    def shortened(self) -> Plan:
        """Return the plan with a tenth of the epochs."""
        epochs = max(1, self.model.epochs // 10)
        model = type(self.model)(**self.model.get_params(deep=False))
        return replace(self, model=model.set_params(epochs=epochs, schedule=None))


@dataclass(frozen=True)
class Recipe:
    """A data set and the models that are trained on it.

    Attributes
    ----------
    title : str
        The samples, in the plural.
    thing, things : str
        The object that a sample shows, in the singular and the plural.
    load : function
        Returns X_train, y_train, X_test, y_test.
    plans : function
        From a seed to the plans, by the name of the variable that the page uses for each model.
    quick : int
        The samples of each split in a quick run.
    threads : int or None
        None leaves the number to aecore; 1 is for samples too small to share.
    about : str
        A sentence on the data.
    lost : str
        What a code of two numbers doesn't keep of a sample.
    notes : dict of str to str
        Texts, by the name of a chapter or a picture, in place of the usual ones.
    """

    title: str
    thing: str
    things: str
    load: Callable[[], Any]
    plans: Callable[[int], dict[str, Plan]]
    quick: int
    threads: int | None
    about: str
    lost: str
    notes: dict[str, str]


def _training(seed: int, epochs: int, **more: Any) -> dict[str, Any]:
    return {
        "learning_rate": 2e-3,
        "schedule": ae.Cosine(epochs),
        "epochs": epochs,
        "random_state": seed,
    } | more


# --------------------------------------------------------------------------------------------------
# clothes


def _load_fashion() -> Any:
    X_train, y_train, X_test, y_test = ae.datasets.load_fashion_small()
    names = np.array(ae.datasets.FASHION_CLASSES)
    y_train, y_test = names[y_train], names[y_test]
    return X_train, y_train, X_test, y_test


def _fashion(seed: int) -> dict[str, Plan]:
    narrow, wide = ae.Dense((256, 128, 64), "tanh"), ae.Dense((512, 256))
    common = {"loss": "bce", "batch_size": 64}
    train, noise = _training(seed, 40, **common), ae.GaussianNoise(0.2)
    clean = _training(seed, 6, **common) | {"learning_rate": 4e-3, "batch_size": 32}
    code = ae.ResNet(32, 16, blocks=1, downsample=2)
    return {
        "autoencoder": Plan("2-D autoencoder", ae.Autoencoder(narrow, 2, **train), 0.06),
        "denoiser": Plan(
            "denoising autoencoder",
            ae.Autoencoder(ae.UNet((8, 16)), corruption=noise, **clean),
            0.6,
        ),
        "vae": Plan("VAE", ae.VAE(wide, 12, **train), 0.11),
        "plane": Plan("2-D VAE", ae.VAE(narrow, 2, **train), 0.06),
        "cvae": Plan("CVAE", ae.CVAE(wide, 8, **train), 0.12),
        "vqvae": Plan("VQ-VAE", ae.VQVAE(code, 64, 16, **_training(seed, 10, **common)), 0.35),
    }


# --------------------------------------------------------------------------------------------------
# digits


def _load_digits() -> Any:
    X_train, y_train, X_test, y_test = ae.datasets.load_digits()
    return X_train, y_train, X_test, y_test


def _digits(seed: int) -> dict[str, Plan]:
    narrow, wide = ae.Dense((256, 128, 64), "tanh"), ae.Dense((256, 128), "tanh")
    common = {"loss": "bce", "batch_size": 64}
    train, noise = _training(seed, 80, **common), ae.GaussianNoise(0.3)
    images = ae.ResNet(32, 16, blocks=1, downsample=1)
    return {
        "autoencoder": Plan("2-D autoencoder", ae.Autoencoder(narrow, 2, **train), 0.024),
        "denoiser": Plan(
            "denoising autoencoder", ae.Autoencoder(wide, 16, corruption=noise, **train), 0.024
        ),
        "vae": Plan("VAE", ae.VAE(wide, 8, beta=0.3, **train), 0.024),
        "plane": Plan("2-D VAE", ae.VAE(narrow, 2, beta=0.3, **train), 0.024),
        "cvae": Plan("CVAE", ae.CVAE(wide, 8, beta=0.3, **train), 0.045),
        "vqvae": Plan("VQ-VAE", ae.VQVAE(images, 32, 16, **_training(seed, 40, **common)), 0.06),
    }


# --------------------------------------------------------------------------------------------------
# MNIST


def _load_mnist() -> Any:
    X_train, y_train, X_test, y_test = ae.datasets.load_mnist()
    return X_train, y_train, X_test, y_test


def _mnist(seed: int) -> dict[str, Plan]:
    narrow, deep = ae.Dense((512, 256, 128), "tanh"), ae.Dense((512, 512))
    images, noise = ae.Conv((16, 32)), ae.GaussianNoise(0.5)
    code = ae.ResNet(32, 16, blocks=1, downsample=2)
    train = _training(seed, 10, loss="bce")
    return {
        "autoencoder": Plan("2-D autoencoder", ae.Autoencoder(narrow, 2, **train), 5),
        "denoiser": Plan(
            "denoising autoencoder", ae.Autoencoder(images, 32, corruption=noise, **train), 5
        ),
        "vae": Plan("VAE", ae.VAE(deep, 10, **train), 6),
        "plane": Plan("2-D VAE", ae.VAE(narrow, 2, **train), 5),
        "cvae": Plan("CVAE", ae.CVAE(deep, 10, beta=1.5, **train), 6),
        "vqvae": Plan("VQ-VAE", ae.VQVAE(code, 64, 16, **_training(seed, 3, loss="bce")), 15),
    }


# --------------------------------------------------------------------------------------------------
# CIFAR-10


def _load_cifar10() -> Any:
    X_train, y_train, X_test, y_test = ae.datasets.load_cifar10()
    names = np.array("plane car bird cat deer dog frog horse ship truck".split())
    y_train, y_test = names[y_train], names[y_test]
    return X_train, y_train, X_test, y_test


def _cifar10(seed: int) -> dict[str, Plan]:
    images, noise = ae.Conv((32, 64, 128)), ae.GaussianNoise(0.15)
    code = ae.ResNet(64, 32, blocks=2, downsample=2)
    train = _training(seed, 3)
    return {
        "autoencoder": Plan("2-D autoencoder", ae.Autoencoder(images, 2, **train), 15),
        "denoiser": Plan(
            "denoising autoencoder", ae.Autoencoder(images, 256, corruption=noise, **train), 15
        ),
        "vae": Plan("VAE", ae.VAE(images, 128, beta=0.1, **train), 15),
        "plane": Plan("2-D VAE", ae.VAE(images, 2, beta=0.1, **train), 15),
        "cvae": Plan("CVAE", ae.CVAE(images, 128, beta=0.1, **train), 15),
        "vqvae": Plan("VQ-VAE", ae.VQVAE(code, 256, 32, **_training(seed, 2)), 60),
    }


RECIPES = {
    "fashion": Recipe(
        title="pictures of clothes",
        thing="piece of clothing",
        things="clothes",
        load=_load_fashion,
        plans=_fashion,
        quick=500,
        threads=None,
        about="Grey pictures of clothes from a shop, 28 × 28 pixels each: 3,000 of Fashion-MNIST, "
        "which come with aecore.",
        lost="its pattern and its cut",
        notes={
            "denoiser": "It is given noisy pictures and must answer with the clean ones. Copying "
            "doesn't help, so it has to learn what pictures look like without noise. This one, a "
            "U-Net, has no short code: it goes from pixels to pixels and keeps the fine lines.",
        },
    ),
    "digits": Recipe(
        title="pictures of handwritten digits",
        thing="digit",
        things="digits",
        load=_load_digits,
        plans=_digits,
        quick=500,
        threads=1,  # too little work to share
        about="Small pictures of handwritten digits, 8 × 8 pixels each, that come with "
        "scikit-learn.",
        lost="the writer's hand",
        notes={},
    ),
    "mnist": Recipe(
        title="handwritten digits of MNIST",
        thing="digit",
        things="digits",
        load=_load_mnist,
        plans=_mnist,
        quick=1000,
        threads=None,
        about="Pictures of handwritten digits, 28 × 28 pixels each: MNIST.",
        lost="the writer's hand",
        notes={},
    ),
    "cifar10": Recipe(
        title="photographs of CIFAR-10",
        thing="object",
        things="objects",
        load=_load_cifar10,
        plans=_cifar10,
        quick=500,
        threads=None,
        about="Small photographs of ten kinds of things, 32 × 32 pixels each: CIFAR-10.",
        lost="nearly all details",
        notes={
            "cvae-classes": "Each column was asked for one class, and all pictures of a row were "
            "decoded from one code. Of photographs this small model learns little more than what "
            "colours go with a class, such as the blues of planes and ships.",
        },
    ),
}

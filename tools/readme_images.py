"""Make README.md's picture: its first example on MNIST, in $AECORE_DATA; needs matplotlib."""

from pathlib import Path

import aecore as ae

images, _, test_images, test_labels = ae.datasets.load_mnist()
model = ae.VAE(ae.Dense((400,)), latent_dim=20, loss="bce", epochs=10, random_state=0, verbose=1)
model.fit(images)
figure = ae.plot.reconstructions(model, test_images, test_labels, n=12)
folder = Path(__file__).parent.parent / "docs" / "images"
folder.mkdir(exist_ok=True)
figure.savefig(folder / "mnist-vae.png", dpi=100)

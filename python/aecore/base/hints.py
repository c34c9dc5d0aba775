"""What was probably meant by a name that doesn't exist."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

# Names of other libraries, and of what they are here.
PARAMETERS = {
    "activation": "arch=Dense(activation=...)",
    "alpha": "weight_decay",
    "code_size": "latent_dim",
    "early_stopping": "patience",
    "encoding_dim": "latent_dim",
    "eta": "learning_rate",
    "hidden_dims": "arch=Dense(widths)",
    "hidden_layer_sizes": "arch=Dense(widths)",
    "hidden_layers": "arch=Dense(widths)",
    "hidden_neurons": "arch=Dense(widths)",
    "hidden_sizes": "arch=Dense(widths)",
    "hidden_units": "arch=Dense(widths)",
    "latent_size": "latent_dim",
    "learning_rate_init": "learning_rate",
    "lr": "learning_rate",
    "max_epochs": "epochs",
    "max_iter": "epochs",
    "n_components": "latent_dim",
    "n_epochs": "epochs",
    "n_iter": "epochs",
    "n_iter_no_change": "patience",
    "n_jobs": "n_threads",
    "noise": "corruption",
    "num_embeddings": "codebook_size",
    "embedding_dim": "code_dim",
    "num_epochs": "epochs",
    "random_seed": "random_state",
    "seed": "random_state",
    "solver": "optimizer",
    "validation_split": "validation_fraction",
    "z_dim": "latent_dim",
}
ATTRIBUTES = {
    "compile": "the constructor's optimizer= and loss=",
    "decode": "inverse_transform",
    "decoder": "parameters_, or to_torch and to_onnx",
    "encode": "transform",
    "encoder": "parameters_, or to_torch and to_onnx",
    "evaluate": "score",
    "forward": "reconstruct",
    "generate": "sample",
    "history": "history_",
    "load": "aecore.load",
    "load_state_dict": "from_torch",
    "load_weights": "aecore.load",
    "parameters": "parameters_",
    "predict": "reconstruct",
    "save_weights": "save",
    "state_dict": "to_torch",
    "summary": "print(model), or the model itself in a notebook",
    "train": "fit",
}


def hint(name: str, known: Iterable[str], elsewhere: dict[str, str]) -> str:
    """Return what to add to a message about an unknown name: a question, or nothing."""
    known = list(known)
    meant = elsewhere.get(name)
    if meant is None or (meant.isidentifier() and meant not in known):
        lower = {k.lower(): k for k in known}
        close = difflib.get_close_matches(name.lower(), lower, 1)
        meant = lower[close[0]] if close else None
    return f"; did you mean {meant}?" if meant else ""

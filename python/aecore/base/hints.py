"""What was probably meant by a name that doesn't exist."""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Callable, Iterable
from typing import Any

HIDDEN = "arch=Dense(widths)|widths"
SHAPE = "fit(X), which finds out the shape of samples"

# Names of other libraries, and of what they are here: the first that there is, of several.
PARAMETERS = {
    "activation": "arch=Dense(activation=...)",
    "alpha": "weight_decay",
    "architecture": "arch",
    "base_estimator": "model",
    "bottleneck": "latent_dim|code_dim",
    "bottleneck_dim": "latent_dim|code_dim",
    "clipnorm": "clip_norm",
    "code_size": "latent_dim|code_dim",
    "covariance_type": "covariance",
    "criterion": "loss",
    "decoder": "arch=(encoder, decoder)",
    "early_stopping": "patience",
    "embedding_dim": "code_dim|latent_dim",
    "encoder": "arch=(encoder, decoder)",
    "encoding_dim": "latent_dim|code_dim",
    "epoch_num": "epochs",
    "estimator": "model",
    "eta": "learning_rate",
    "filters": "channels|arch=Conv(channels)",
    "grad_clip": "clip_norm",
    "hidden_dim": HIDDEN,
    "hidden_dims": HIDDEN,
    "hidden_layer_sizes": HIDDEN,
    "hidden_layers": HIDDEN,
    "hidden_neuron_list": HIDDEN,
    "hidden_neurons": HIDDEN,
    "hidden_size": HIDDEN,
    "hidden_sizes": HIDDEN,
    "hidden_units": HIDDEN,
    "init_method": "init",
    "initializer": "init",
    "input_dim": SHAPE,
    "input_shape": SHAPE,
    "input_size": SHAPE,
    "kernel_initializer": "init",
    "kl_weight": "beta",
    "latent_size": "latent_dim|code_dim",
    "learning_rate_init": "learning_rate",
    "loss_fn": "loss",
    "loss_function": "loss",
    "lr": "learning_rate",
    "lr_scheduler": "schedule",
    "max_epochs": "epochs",
    "max_grad_norm": "clip_norm",
    "max_iter": "epochs",
    "means_init": "means",
    "n_components": "latent_dim|components",
    "n_epochs": "epochs",
    "n_estimators": "n_models",
    "n_features": SHAPE,
    "n_hidden": HIDDEN,
    "n_iter": "epochs",
    "n_iter_no_change": "patience",
    "n_jobs": "n_threads",
    "nb_epoch": "epochs",
    "noise": "corruption",
    "noise_factor": "corruption=GaussianNoise(...)",
    "noise_level": "corruption=GaussianNoise(...)",
    "noise_std": "corruption=GaussianNoise(...)",
    "num_embeddings": "codebook_size",
    "num_epochs": "epochs",
    "num_workers": "n_threads",
    "optim": "optimizer",
    "outliers_fraction": "contamination",
    "random_seed": "random_state",
    "reg_covar": "regularization",
    "scheduler": "schedule",
    "seed": "random_state",
    "solver": "optimizer",
    "sparsity": "penalty=L1Sparsity(...)",
    "threshold": "contamination",
    "val_split": "validation_fraction",
    "validation_split": "validation_fraction",
    "weights_init": "weights",
    "z_dim": "latent_dim|code_dim",
}
ATTRIBUTES = {
    "anomaly_score": "score_samples",
    "compile": "optimizer= and loss= of the constructor",
    "count_params": "n_parameters_",
    "decision_function": "score_samples",
    "decode": "inverse_transform",
    "decoder": "parameters_, aecore.to_torch or aecore.to_onnx",
    "denoise": "reconstruct",
    "embed": "transform",
    "embedding": "transform",
    "encode": "transform",
    "encoder": "parameters_, aecore.to_torch or aecore.to_onnx",
    "evaluate": "score",
    "export": "aecore.to_onnx",
    "fit_generator": "fit",
    "forward": "reconstruct",
    "from_torch": "aecore.from_torch",
    "generate": "sample",
    "get_config": "get_params",
    "get_weights": "parameters_",
    "history": "history_",
    "impute": "aecore.TabularAutoencoder.impute",
    "inverse": "inverse_transform",
    "latent": "transform",
    "layers": "parameters_",
    "load": "aecore.load",
    "load_model": "aecore.load",
    "load_state_dict": "aecore.from_torch",
    "load_weights": "aecore.load",
    "log_prob": "log_likelihood|score_samples",
    "losses": "history_",
    "parameters": "parameters_",
    "plot": "aecore.plot",
    "predict": "reconstruct",
    "reconstruction_error": "errors",
    "save_model": "save",
    "save_weights": "save",
    "set_weights": "parameters_",
    "state_dict": "aecore.to_torch",
    "summary": "print(model), or the model itself in a notebook",
    "to_onnx": "aecore.to_onnx",
    "to_torch": "aecore.to_torch",
    "train": "fit",
    "train_on_batch": "partial_fit",
    "weights": "parameters_",
}
CLASSES = {
    "AAE": "AdversarialAutoencoder",
    "AE": "Autoencoder",
    "BetaVAE": "VAE(beta=...)",
    "ContractiveAutoencoder": "Autoencoder(penalty=Contractive())",
    "ConvAutoencoder": "Autoencoder(Conv())",
    "DenoisingAutoencoder": "Autoencoder(corruption=GaussianNoise())",
    "LSTMAutoencoder": "Autoencoder(LSTM())",
    "SparseAutoencoder": "Autoencoder(penalty=L1Sparsity())",
    "VariationalAutoencoder": "VAE",
}
# Choices among texts: what they are called elsewhere.
CHOICES = {
    "absolute_error": "l1",
    "bernoulli": "bce",
    "bf16": "bfloat16",
    "binary_cross_entropy": "bce",
    "binary_crossentropy": "bce",
    "categorical": "cross_entropy",
    "categorical_crossentropy": "cross_entropy",
    "float16": "bfloat16",
    "fp16": "bfloat16",
    "fp32": "float32",
    "gaussian_nll": "gaussian",
    "half": "bfloat16",
    "huber_loss": "huber",
    "identity": "linear",
    "kaiming": "he",
    "l2": "mse",
    "log_loss": "bce",
    "lrelu": "leaky_relu",
    "mae": "l1",
    "mahalanobis": "codes",
    "mean_absolute_error": "l1",
    "mean_squared_error": "mse",
    "momentum": "sgd",
    "nb": "negative_binomial",
    "nll": "gaussian",
    "none": "linear",
    "normal": "gaussian",
    "reconstruction_error": "loss",
    "rmsprop": "adam",
    "smooth_l1": "huber",
    "softmax": "cross_entropy",
    "squared_error": "mse",
    "swish": "silu",
    "xavier": "glorot",
    "zinb": "negative_binomial",
}
# Arguments of methods elsewhere.
ARGUMENTS = {
    "eval_set": "X_val",
    "labels": "y",
    "mask": "sample_mask",
    "sample_weights": "sample_weight",
    "targets": "target",
    "val_data": "X_val",
    "validation_data": "X_val",
    "weights": "sample_weight",
    "y_true": "y",
}
CALLBACKS = {
    "EarlyStopping": "a model's patience=...",
    "LearningRateScheduler": "a model's schedule=...",
    "ModelCheckpoint": "a model's checkpoint=...",
    "ReduceLROnPlateau": "a model's schedule=Plateau()",
}
PLOTS = {
    "embedding": "latent_space",
    "latent": "latent_space",
    "loss": "history",
    "map": "latent_space",
    "pca": "latent_space",
    "recon": "reconstructions",
    "training": "history",
    "tsne": "latent_space(model, X, method='tsne')",
    "umap": "latent_space of an embedding",
}
# What a detector or a classifier doesn't take, but the model that it is given.
OF_MODEL = set(
    "arch latent_dim loss corruption penalty optimizer learning_rate weight_decay schedule "
    "clip_norm batch_size epochs patience validation_fraction n_threads".split()
)
ARGUMENT = re.compile(r"got an unexpected keyword argument '(\w+)'")
HEAD = re.compile(r"(\w+)(=|,|$)")  # a name that has to be there


def hint(name: str, known: Iterable[str], elsewhere: dict[str, str]) -> str:
    """Return what to add to a message about an unknown name: a question, or nothing."""
    known = list(known)
    candidates = elsewhere[name].split("|") if name in elsewhere else []
    for meant in candidates:
        head = HEAD.match(meant)
        if head is None or head[1] in known:
            return f"; did you mean {meant}?"
    if elsewhere is PARAMETERS and "model" in known:
        for meant in candidates or [name]:
            if meant.split("=")[0] in OF_MODEL:
                return f"; did you mean {meant}, which model= takes?"
    if candidates:
        return ""
    lower = {k.lower(): k for k in known}
    close = difflib.get_close_matches(name.lower(), lower, 1)
    return f"; did you mean {lower[close[0]]}?" if close else ""


def no_attribute(owner: str, name: str, meant: str) -> AttributeError:
    """Return the error of an unknown attribute; without its object, or Python guesses as well."""
    return AttributeError(f"{owner} has no attribute {name!r}{meant}", name=name, obj=None)


def choice_hint(value: str, options: Iterable[str]) -> str:
    """Return what to add to a message about a text that is none of the options."""
    options, name = list(options), value.lower().replace(" ", "_").replace("-", "_")
    meant = CHOICES.get(name)
    if meant is None or meant not in options:
        close = difflib.get_close_matches(name, options, 1)
        meant = close[0] if close else None
    return f"; did you mean {meant!r}?" if meant else ""


def argument_hint(error: TypeError, method: str, given: Any) -> str:
    """Return what to add to Python's message about a method's unknown argument.

    Parameters
    ----------
    error : TypeError
        Of a call of a method.
    method : str
        Its name.
    given : object
        That whose method it is: its parameters may be meant.
    """
    found = ARGUMENT.search(str(error))
    if found is None or not hasattr(given, "get_params"):
        return ""
    name, cls = found[1], type(given)
    parameters = inspect.signature(cls).parameters
    meant = hint(name, parameters, PARAMETERS) if name not in parameters else name
    if name in parameters:
        return f"; did you mean {cls.__name__}({name}=...)?"
    known = [p for p in inspect.signature(getattr(cls, method)).parameters if p != "self"]
    return hint(name, known, ARGUMENTS) or meant


def attribute(module: str, known: Iterable[str], elsewhere: dict[str, str]) -> Callable[..., Any]:
    """Return a module's `__getattr__`, which says what was probably meant."""

    def __getattr__(name: str) -> Any:
        text = f"module {module!r} has no attribute {name!r}"
        raise AttributeError(text if name.startswith("_") else text + hint(name, known, elsewhere))

    return __getattr__

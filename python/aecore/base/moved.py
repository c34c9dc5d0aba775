"""Old names of modules: pickles of 0.1.0 carry them, and so do the imports of those who used them.

Nothing is imported before somebody asks for such a name.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

MODULES = {
    "corruption": "data.corruption",
    "io": "files.load",
    "mixed": "losses.mixed",
    "models._condition": "data.conditions",
    "models._oddness": "models.detection.score",
    "models._robust": "data.tables.scaling",
    "models.aae": "models.adversarial.aae",
    "models.classifier": "models.stacked.stacked",
    "models.cvae": "models.variational.cvae",
    "models.detector": "models.detection.detector",
    "models.gan": "models.adversarial.gan",
    "models.pixelcnn": "models.quantized.pixelcnn",
    "models.recirculation": "models.stacked.recirculation",
    "models.vae": "models.variational.vae",
    "models.vqvae": "models.quantized.vqvae",
    "nn.codebook": "nn.quantize.codebook",
    "nn.feedback": "nn.recurrent",
    "nn.fsq": "nn.quantize.scalar",
    "nn.masked": "nn.pixelcnn.masked",
    "nn.quantizer": "nn.quantize.vector",
    "nn.residual": "nn.quantize.residual",
    "nn.unit": "nn.quantize.vector",
    "tables": "data.tables",
    "tables.columns": "data.tables.columns",
    "tables.layout": "data.tables.layout",
    "tables.source": "data.tables.source",
    "training.batches": "data.batches",
    "training.data": "data.arrays",
}
PACKAGE = __name__.partition(".")[0] + "."


class _Moved:
    """Finds and loads the module of today for an old name.

    Its protocols' classes are in `importlib.abc`, which takes 6 ms to import.
    """

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name.startswith(PACKAGE) and name.removeprefix(PACKAGE) in MODULES:
            return ModuleSpec(name, self)  # type: ignore[arg-type]
        return None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(PACKAGE + MODULES[spec.name.removeprefix(PACKAGE)])
        known = module.__spec__  # that of another old name, while a thread is importing it
        assert known is not None
        is_ours = known.loader is self  # type: ignore[comparison-overlap]
        spec.loader_state = known.loader_state if is_ours else known
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Leave the module as it is: it has run under its own name."""
        assert module.__spec__ is not None
        module.__spec__ = module.__spec__.loader_state


def install() -> None:
    """Let old names be imported."""
    sys.meta_path.insert(0, _Moved())  # or Python would load the files of `tables` once more

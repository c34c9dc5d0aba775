"""A layer run on a tape, and walked back."""

from aecore.nn import Tape
from aecore.nn.ops.quantize import VectorQuantize
from aecore.nn.tape import Op


class Run:
    """What a layer made of a batch, and the way back.

    Parameters
    ----------
    layer : callable
        A layer, or a function from a value to a value.
    x : ndarray of float32
    training, lengths, target
        Of the tape.
    wanted : bool
        Whether a gradient of the input is wanted.
    tape : Tape, optional
        That of a pass before, to be used again.

    Attributes
    ----------
    tape : Tape
    x, output : Value
    """

    def __init__(
        self, layer, x, *, training=False, lengths=None, target=None, wanted=True, tape=None
    ):
        options = {"training": training, "lengths": lengths, "target": target}
        self.tape = (Tape() if tape is None else tape).start(records=True, **options)
        self.x = self.tape.variable(x) if wanted else self.tape.constant(x)
        with self.tape:
            self.output = layer(self.x)
        self.y = self.output.data

    def back(self, grad):
        """Walk back, from quantizers' terms too; return the gradient of the input, if wanted."""
        ends = [(self.output, grad)]
        for op in [op for op in self.tape.record if isinstance(op, VectorQuantize)]:
            terms = (op.vq, op.commitment) if op.entries.needs_grad else (op.commitment,)
            ends += [(term, 1 / max(1, op.shape[0])) for term in terms]
        self.tape.backward(*ends)
        return self.x.grad


def run(layer, x, **options):
    """Run a layer on a tape; see `Run`."""
    return Run(layer, x, **options)


def gradients(layer, x, grad, **options):
    """Return the output for x, the gradient of x, and those of parameters by name, from zero."""
    for _, parameter in layer.parameters():
        parameter.forget_grad()
    ran = run(layer, x, **options)
    y = ran.y.copy()
    dx = ran.back(grad)
    return y, dx, {name: p.grad.copy() for name, p in layer.parameters()}


class Opaque(Op):
    """The value that it is given, as a copy: what nothing can be taken into, or through."""

    __slots__ = ("x",)

    def __init__(self, x):
        self.x = x
        x.uses += 1
        self.place(x.tape, x.shape, x.needs_grad)

    def forward(self):
        self._data = self.x.data.copy()

    def backward(self):
        self.x.add_grad(self.grad.copy())

    def inputs(self):
        return (self.x,)

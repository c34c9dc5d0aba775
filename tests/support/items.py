"""Samples that are read item by item, and what a model has learned from them."""


class Items:
    """A data set as PyTorch has them, without PyTorch: its items are tuples, or bare samples."""

    def __init__(self, *parts, bare=False):
        self.parts, self.bare, self.asked = parts, bare, []

    def __len__(self):
        return len(self.parts[0])

    def __getitem__(self, i):
        if not 0 <= i < len(self):
            raise IndexError(i)
        self.asked.append(i)
        item = tuple(part[i] for part in self.parts)
        return item[0] if self.bare else item


def state(model):
    """Return the bytes of all that a fitted model has, by name."""
    return {k: v.tobytes() for k, v in model._network.arrays().items()}

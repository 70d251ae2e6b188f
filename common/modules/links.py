"""Which tensor of a port's call stands for which of the reference's, and in which layout."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from common.contract.arrays import Array
from common.contract.net import Some, Tensors
from common.modules.layout import Layout, Map, layouts, nearest


@dataclass(frozen=True)
class Link:
    """A tensor of the port's that stands for one of the reference's.

    Attributes:
        at: which of the reference's.
        layout: how the port has it.
    """

    at: int
    layout: Layout


#: For each tensor of the port's; None: nothing of the reference's has its shape.
Links = tuple[Link | None, ...]


def linked(reference: Tensors, port: Tensors, maps: Iterable[Map] = ()) -> Links:
    """Link the tensors of one call, in order, by shape and then by numbers.

    Args:
        reference, port: what both were called with, or returned.
        maps: feature maps of the reference that may have been flattened before.
    """
    maps = list(maps)
    found: list[Link | None] = []
    for one in port:
        link = None
        for at, other in enumerate(reference):
            # A mask of truths is no tensor of numbers, whatever its shape.
            truths = (one.dtype.kind == "b") != (other.dtype.kind == "b")
            if truths or at in {taken.at for taken in found if taken}:
                continue
            layout = nearest(layouts(other.shape, one.shape, maps), other, one)
            if layout is not None:
                link = Link(at, layout)
                break
        found.append(link)
    return tuple(found)


def there(links: Links, tensors: Sequence[Array | None]) -> Some:
    """The reference's tensors as the port has them; None of what is not linked."""
    found: list[Array | None] = []
    for link in links:
        tensor = None if link is None else tensors[link.at]
        found.append(None if tensor is None or link is None else link.layout.there(tensor))
    return tuple(found)


def only(links: Links, tensors: Sequence[Array | None]) -> Some:
    """The reference's tensors, but those that the port has; None of the others."""
    ats = {link.at for link in links if link is not None}
    return tuple(one if at in ats else None for at, one in enumerate(tensors))

"""The calls of a session that are each a single component's."""

from __future__ import annotations

from abc import ABC, abstractmethod

from common.contract.arrays import Array, Arrays
from common.entrants.components import Components


class ByComponents(ABC):
    """Hands them to the components of a session that has them."""

    @property
    @abstractmethod
    def components(self) -> Components:
        """Each component by itself."""

    def logits(self, params: Arrays, images: Array, compiled: bool = False) -> Array:
        """As `Session.logits`."""
        return self.components.logits(params, images, compiled)

    def gradient(self, logits: Array, labels: Array, compiled: bool = False) -> tuple[Array, Array]:
        """As `Session.gradient`."""
        return self.components.gradient(logits, labels, compiled)

    def backward(
        self, params: Arrays, images: Array, dlogits: Array, compiled: bool = False
    ) -> Arrays:
        """As `Session.backward`."""
        return self.components.backward(params, images, dlogits, compiled)

    def gradients(
        self, params: Arrays, images: Array, labels: Array, compiled: bool = False
    ) -> tuple[Array, Array, Arrays]:
        """As `Session.gradients`."""
        return self.components.gradients(params, images, labels, compiled)

    def update(
        self, params: Arrays, grads: Arrays, state: Arrays, compiled: bool = False
    ) -> tuple[Arrays, Arrays]:
        """As `Session.update`."""
        return self.components.update(params, grads, state, compiled)

    def correct(self, logits: Array, labels: Array, compiled: bool = False) -> int:
        """As `Session.correct`."""
        return self.components.correct(logits, labels, compiled)

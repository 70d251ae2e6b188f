"""Somebody's functions in float64, their operations rounding at random as in float32."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from common.contract.precision import PRECISIONS
from common.entrants.port import PortSession
from common.errors import one_line


class UnroundedError(Exception):
    """Functions whose operations cannot be rounded at random."""


class RoundingPortSession(PortSession):
    """As `PortSession`; what it says of a forward pass, or of slopes, is another each time.

    Raises:
        UnroundedError: by every call: of an operation nobody knows how it rounds, or the functions
            raise where their operations are looked at one by one.
    """

    _seed = 0

    def _choose(self, *told: Any) -> None:
        super()._choose(*told)
        make = self._make_forward

        def made(params: Any) -> Any:
            forward = make(params)
            noisy = self._noisy(forward)
            noisy.plain = forward
            return noisy

        self._make_forward = made

    def _first_logits(self, images: Any) -> Any:
        return self._make_forward(self._params).plain(self._params, images)

    def _import(self, component: str) -> Any:
        module = super()._import(component)
        if component != "model":
            return module
        # Slopes round at random themselves; they are not those of what does.
        backward = {"backward": lambda forward: self._noisy(module.backward(forward.plain))}
        return SimpleNamespace(**{**vars(module), **backward})

    def _differentiation(self) -> Any:
        made = super()._differentiation()
        return lambda forward, *told: self._noisy(made(forward.plain, *told))

    def _noisy(self, function: Callable[..., Any]) -> Any:
        known: list[Any] = []

        def moved(*args: Any) -> Any:
            self._seed += 1
            try:
                noise = PortSession._import(self, "noise")
                known[:] = known or [noise.unknown(function)(*args)]
                found = noise.noisy(function, PRECISIONS["float32"].unit, self._seed)(*args)
            except Exception as cause:
                raise UnroundedError(one_line(cause)) from cause
            if known[0]:
                raise UnroundedError(f"{', '.join(known[0])}: how that rounds is not known")
            return found

        return moved

"""A port that stays right: hold it against its original in your own tests.

Copy this file, put your two networks in the place of these, and run it with pytest. Where the
two part, the test fails with the layer, the tensor, both values and the bound.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from compare import check


class Original(nn.Module):
    """What was ported: two convolutions and batch normalisation, channels first."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.norm = nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.conv2, self.fc = nn.Conv2d(4, 4, 3), nn.Linear(4 * 6 * 6, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, 1, 8, 8) -> (n, 3)."""
        x = torch.relu(self.norm(self.conv1(x)))
        return self.fc(torch.relu(self.conv2(x)).flatten(1))


class Ported(nn.Module):
    """The port: other names, channels last."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 4, 3, padding="same"), nn.BatchNorm2d(4))
        self.body, self.head = nn.Conv2d(4, 4, 3), nn.Linear(6 * 6 * 4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, 8, 8, 1) -> (n, 3)."""
        x = self.body(self.stem(x.permute(0, 3, 1, 2)).relu()).relu()
        return self.head(x.permute(0, 2, 3, 1).flatten(1))


@pytest.mark.parametrize("train", [False, True])
def test_the_port_agrees(train: bool) -> None:
    """In evaluation and in training: forwards, backwards, and the buffers afterwards."""
    draw = np.random.default_rng(0)
    inputs = draw.normal(0, 1, (8, 1, 8, 8)).astype("float32")
    labels = draw.integers(0, 3, 8)
    check(Ported(), Original(), inputs, labels, train=train, steps=1).require()

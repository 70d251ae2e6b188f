"""Tests that share a run or a worker keep to one of pytest's processes."""

import pytest


@pytest.mark.xdist_group("one")
def test_a_group_is_kept_together(request: pytest.FixtureRequest) -> None:
    """xdist appends the group to a test's name; pytest 9.2 ignores it, and all are dealt out."""
    if not request.config.getoption("loadgroup", False):
        pytest.skip("only `pytest -n` with --dist loadgroup deals groups out")
    assert request.node.nodeid.endswith("@one")

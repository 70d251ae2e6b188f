"""The library that draws the charts in a page: Vega, Vega-Lite and vega-embed, as one script."""

from __future__ import annotations

import hashlib
from contextlib import suppress

import vl_convert

from common.contract.registry import version
from common.data.cache import cache_folder
from common.results.folder import whole

#: vl-convert's version -> SHA-256 of the script it makes, which is the same everywhere. Another
#: version's: `python -c "from common.shown import vega; print(vega.digest(vega.made()))"`.
DIGESTS = {
    "1.9.0.post1": "3425bd951a44d478d0505c6b5d1e8d57656b6e9a4da7bfe88a718ce61d76e572",
}


def vega() -> str:
    """The script's text, to be put into a page.

    Put together takes seconds, so that it is kept in the cache; others may write there, and what
    they put into a page would run. A kept script is taken only if it has the digest above; that of
    an unknown version is made anew each time.
    """
    known = DIGESTS.get(version("vl-convert-python") or "")
    if known is None:
        return made()
    path = cache_folder() / f"vega-{known}.js"
    with suppress(OSError, UnicodeDecodeError):  # there is none, or none that is right
        kept = path.read_bytes().decode("utf-8")
        if digest(kept) == known:
            return kept
    text = made()
    with suppress(OSError):  # a cache that cannot be written costs seconds, and no page
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole(path) as temporary:
            temporary.write_bytes(text.encode())
    return text


def made() -> str:
    """The script as the installed vl-convert makes it."""
    text: str = vl_convert.javascript_bundle()  # type: ignore[call-arg]
    return text


def digest(text: str) -> str:
    """SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()

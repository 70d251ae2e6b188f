"""An environment of its own for a backend whose packages cannot stand beside another's."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import venv
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec
import platformdirs
from filelock import FileLock

from common.contract.registry import Backend
from common.contract.root import ROOT
from common.entrants.tried import fault
from common.errors import Refused, one_line

#: What is remembered: backend -> environment.
REMEMBERED = "environments.json"

#: Tells an environment's interpreter which versions of some packages it has.
VERSIONS = """
import importlib.metadata, json, sys
found = {}
for name in sys.argv[1:]:
    try:
        found[name] = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        pass
print(json.dumps(found))
"""


class Environment(msgspec.Struct, frozen=True):
    """A virtual environment with one backend's packages.

    Attributes:
        folder: where it lies.
        packages: name -> version of what the backend needs.
    """

    folder: str
    packages: dict[str, str]

    @property
    def python(self) -> str:
        """Its interpreter."""
        place = ("Scripts", "python.exe") if os.name == "nt" else ("bin", "python")
        return str(Path(self.folder, *place))


def environments_folder() -> Path:
    """Return COMPARE_ENV_DIR if it is set, else a folder of this user's data; may not exist."""
    variable = os.environ.get("COMPARE_ENV_DIR")
    data = Path(platformdirs.user_data_dir("compare-frameworks")) / "environments"
    return Path(variable or data).absolute()


def remembered() -> dict[str, Environment]:
    """Environments by backend, those that are gone among them.

    Raises:
        Refused: what is remembered cannot be read.
    """
    path = environments_folder() / REMEMBERED
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Environment])
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.MsgspecError) as cause:
        raise Refused(
            f"{path}, where environments are remembered, cannot be read: {one_line(cause)}; "
            "remove it, and make them again with compare.py env BACKEND"
        ) from cause


def there(names: Iterable[str]) -> dict[str, Environment]:
    """The same of some backends, without those that are gone."""
    return {
        name: one
        for name, one in remembered().items()
        if name in names and os.access(one.python, os.X_OK)
    }


def note(name: str, python: str | None) -> str | None:
    """What is to be known of a backend's environment: that it runs there, or that it is gone.

    Args:
        name: the backend's.
        python: the interpreter it runs in; None for this one.
    """
    own = remembered().get(name)
    if own is not None and python == own.python:
        packages = " ".join(f"{package} {found}" for package, found in own.packages.items())
        return f"runs in the environment made for it: {packages}"
    if own is not None and python is None:
        return f"its environment, {own.folder}, is gone; compare.py env {name} makes it again"
    return None


def make(backend: Backend, say: Callable[[str], None], *, newest: bool = False) -> Environment:
    """Make an environment for a backend, try it, and remember it in the place of an older one.

    Args:
        backend: whose packages are installed.
        say: hears what the installer says, line by line.
        newest: its framework as new as there is; otherwise in the versions that were tested.

    Raises:
        Refused: the packages cannot be installed, or not imported; nothing is left behind.
    """
    wanted = requirements(backend, newest=newest)
    home = environments_folder()
    try:
        home.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f"{backend.name}-", dir=home))
    except OSError as cause:
        raise Refused(f"no environment can be made in {home}: {cause.strerror}") from cause
    with _removed_unless_whole(folder):
        made = Environment(str(folder), {})
        try:
            _install(made, [*wanted, *([] if newest else _tested())], say)
        except (OSError, subprocess.CalledProcessError) as cause:
            # Debian has ensurepip in a package of its own, python3-venv.
            raise Refused(f"{folder} cannot be made an environment: {one_line(cause)}") from cause
        if why := fault(backend, made.python):
            raise Refused(f"{backend.name} is installed, but cannot be imported: {why}")
        packages = versions_in(made.python, backend.info.packages)
        made = Environment(str(folder), packages)
        _remember(backend.name, made)
    return made


def forget(name: str) -> Environment:
    """Remove a backend's environment.

    Raises:
        Refused: there is none.
    """
    if name not in remembered():
        raise Refused(f"no environment of {name} is remembered; see compare.py env")
    gone = _remember(name, None)
    assert gone is not None
    return gone


def requirements(backend: Backend, *, newest: bool = False) -> list[str]:
    """What a backend needs, as pip reads it: its extra in pyproject.toml, or what INFO names.

    For the newest, bounds on its own packages are left out; those on others stay.
    """
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found = extras["optional-dependencies"].get(backend.info.extra, backend.info.packages)
    if newest:
        found = [name if (name := _name(one)) in backend.info.packages else one for one in found]
    return ["numpy", *found]


def _name(requirement: str) -> str:
    """The package of "jax>=0.7"."""
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    return found[0] if found else requirement


def _tested() -> list[str]:
    return ["-c", str(ROOT / "constraints.txt")]


def _install(into: Environment, words: list[str], say: Callable[[str], None]) -> None:
    """Fill a folder with an interpreter and packages: by uv where it is, else by pip."""
    if uv := shutil.which("uv"):
        _call([uv, "venv", "--python", sys.executable, into.folder], say)
        _call([uv, "pip", "install", "--python", into.python, *words], say)
    else:
        venv.create(into.folder, with_pip=True)
        quiet = ["--disable-pip-version-check", "--progress-bar", "off"]
        _call([into.python, "-m", "pip", "install", *quiet, *words], say)


def _call(command: list[str], say: Callable[[str], None]) -> None:
    """Run an installer; what it said last is the reason if it fails."""
    last = "it said nothing"
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, errors="replace", cwd=tempfile.gettempdir(),
    ) as process:  # fmt: skip
        assert process.stdout is not None
        try:
            for line in process.stdout:
                if line.strip():
                    last = line.strip()
                    say(last)
        except BaseException:
            process.kill()  # or it would go on in a folder that is removed
            raise
    if process.returncode:
        name = Path(command[0]).name if command[1] != "-m" else command[2]
        raise Refused(f"{name} ended with {process.returncode}; it said last: {last}")


def versions_in(python: str, packages: Iterable[str]) -> dict[str, str]:
    """Which versions of some packages an interpreter has, of those that it has."""
    done = subprocess.run(
        [python, "-I", "-c", VERSIONS, *packages], capture_output=True, check=True, timeout=60
    )
    return msgspec.json.decode(done.stdout, type=dict[str, str])


def _remember(name: str, made: Environment | None) -> Environment | None:
    """Put an environment in the place of another, which is removed; the other."""
    home = environments_folder()
    with FileLock(home / ".lock"):
        found = remembered()
        old = found.pop(name, None)
        if made is not None:
            found[name] = made
        new = home / f"{REMEMBERED}.new"
        new.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1))
        new.replace(home / REMEMBERED)
    # Only what was made here, whatever the file says.
    if old is not None and Path(old.folder).parent == home:
        shutil.rmtree(old.folder, ignore_errors=True)
    return old


@contextmanager
def _removed_unless_whole(folder: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        with suppress(OSError):
            shutil.rmtree(folder)
        raise

"""A Slurm of two nodes on this machine, for tests: loopback alone, all files in one folder.

What a container has not is not asked for: no control groups (`proctrack/linuxproc`, `task/none`),
no accounting. Debian's `slurm-wlm` and `munge` are all it takes.
"""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

DAEMONS = ("munged", "slurmctld", "slurmd")

NODES = ("n1", "n2")

CONF = """
ClusterName=test
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
SchedulerParameters=sched_interval=1
SlurmdParameters=config_overrides
NodeName=n1 NodeHostname=localhost NodeAddr=127.0.0.1 Port={ports[1]} CPUs=2
NodeName=n2 NodeHostname=localhost NodeAddr=127.0.0.1 Port={ports[2]} CPUs=2
PartitionName=all Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP
"""


def program(name: str) -> str | None:
    """Where a daemon is: an ordinary user's path need not have it."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def free_ports(count: int) -> list[int]:
    """So many ports of the loopback that nobody uses."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    found = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return found


class Slurm:
    """One that runs; `environment` leads its commands to it."""

    def __init__(self, folder: Path) -> None:
        self.environment = {"SLURM_CONF": str(folder / "slurm.conf")}

    def __call__(self, *words: object) -> str:
        """Run one of its commands; what it prints."""
        done = subprocess.run(
            [str(word) for word in words], env={**os.environ, **self.environment},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{words}: {done.stderr}"
        return done.stdout

    def jobs(self, state: str = "pending,running,completing") -> dict[str, str]:
        """Jobs that have not ended, those of an array one by one -> the node of each."""
        lines = self("squeue", "-r", "-h", "-t", state, "-o", "%i %N").splitlines()
        return {words[0]: "".join(words[1:]) for words in map(str.split, lines)}


@contextmanager
def running(folder: Path) -> Iterator[Slurm]:
    """Start one in an empty folder, and end its daemons, by their ids, in the end."""
    if missing := [name for name in DAEMONS if program(name) is None]:
        assert not os.environ.get("CI"), f"CI has no {missing}"
        pytest.skip(f"{', '.join(missing)} not installed: apt-get install slurm-wlm munge")
    (folder / "state").mkdir()
    (folder / "slurm.conf").write_text(
        CONF.format(folder=folder, user=getpass.getuser(), ports=free_ports(3))
    )
    (folder / "munge.key").write_bytes(os.urandom(1024))
    (folder / "munge.key").chmod(0o600)
    munge = {"key-file": "key", "socket": "socket", "pid-file": "pid", "seed-file": "seed"}
    options = [f"--{option}={folder}/munge.{suffix}" for option, suffix in munge.items()]
    commands = [
        ["munged", "--foreground", "--force", *options],
        ["slurmctld", "-D", "-f", str(folder / "slurm.conf")],
        *(["slurmd", "-D", "-N", node, "-f", str(folder / "slurm.conf")] for node in NODES),
    ]
    daemons: list[subprocess.Popen[bytes]] = []
    try:
        for name, *words in commands:
            with (folder / f"{name}.{len(daemons)}.out").open("wb") as out:
                daemons.append(
                    subprocess.Popen([str(program(name)), *words], stdout=out, stderr=out)
                )
            wait_for(folder / "munge.socket", daemons)
        found = Slurm(folder)
        ends = time.monotonic() + 60
        while "idle 2" not in sinfo(found):
            assert time.monotonic() < ends, outputs(folder)
            time.sleep(0.2)
        yield found
    finally:
        for daemon in reversed(daemons):
            daemon.terminate()
        for daemon in daemons:
            daemon.wait(30)


def sinfo(slurm: Slurm) -> str:
    """How many nodes are in which state; nothing while the controller begins."""
    try:
        return slurm("sinfo", "-h", "-o", "%T %D")
    except AssertionError:
        return ""


def wait_for(path: Path, daemons: list[subprocess.Popen[bytes]]) -> None:
    """Wait until a file is there, or a daemon is gone."""
    ends = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < ends, f"no {path}"
        assert all(daemon.poll() is None for daemon in daemons), outputs(path.parent)
        time.sleep(0.05)


def outputs(folder: Path) -> str:
    """What the daemons printed."""
    return "\n".join(path.read_text(errors="replace")[-2000:] for path in folder.glob("*.out"))

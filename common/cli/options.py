"""The command line's words."""

from __future__ import annotations

import argparse
from dataclasses import fields
from pathlib import Path

from common.ask.check_settings import STEPS, CheckSettings
from common.ask.infer_settings import SECONDS, SIZES, InferSettings
from common.ask.settings import (
    DEFAULTS,
    NATURAL,
    NUMBERS,
    VARIED,
    Settings,
)
from common.cli.option import Parser, add, number, pair, share, sizes, varied, weight
from common.contract.info import COMPONENTS, MIXABLE, MODULE_DTYPES, MODULE_MODES
from common.contract.models import MODELS
from common.learning.lessons import TOPICS

DESCRIPTION = "Train one model in several frameworks and prove whether they agree."


def settings(asked: argparse.Namespace) -> Settings:
    """What a run is asked, of all that was read."""
    return Settings(**{name: getattr(asked, name) for name in DEFAULTS if name in asked})


def parser() -> Parser:
    """Describe the whole command line."""
    top = Parser(prog="compare.py", description=DESCRIPTION)
    commands = top.add_subparsers(dest="command", required=True, parser_class=Parser)
    training, repeated = [entrants(), trained()], [entrants(), trained(), rounds()]
    run = commands.add_parser(
        "run",
        help="train in several frameworks and compare (the default)",
        parents=[*repeated, output("results.json there, too; - for stdout")],
    )
    add(run, "check_float64", "train once more in float64: to 1e-12")
    add(run, "resume", "finish a run that did not end, as it was asked", metavar="DIR")
    commands.add_parser(
        "diagnose",
        help="first step, stage and tensor at which an entrant leaves the referee's path",
        parents=[*training, output("what was found; - for stdout")],
    )
    add_check(
        commands.add_parser(
            "check",
            help="two networks, of any frameworks: the first layer that differs",
            parents=[output("check.json there, too; - for stdout")],
        )
    )
    sweep = commands.add_parser(
        "sweep",
        help="one run for each value of a setting: a step's overhead, and the rate beyond",
        parents=[*repeated, output("sweep.json there, too; - for stdout")],
    )
    sweep.add_argument(
        "--vary",
        required=True,
        action="append",
        type=varied,
        metavar="SETTING=VALUE,...",
        help=f"one of {', '.join(VARIED)}; twice: each value with each of the other's, lines "
        "along the first",
    )
    add_infer(
        commands.add_parser(
            "infer",
            help="the forward pass alone: latency at batch 1, throughput at 256",
            parents=[entrants(), output("what was found; - for stdout")],
        )
    )
    add_grid(commands.add_parser("grid", help="many comparisons, each on one of many machines"))
    add_diff(commands.add_parser("diff", help="two result folders: what changed, beyond noise"))
    listing = commands.add_parser("list", help="backends: versions, what each can do")
    add(listing, "backend_path", "folder with further backends")
    add_env(commands.add_parser("env", help="an environment of its own for a backend"))
    page = commands.add_parser(
        "report", help="the page of a run, or of a sweep, again, from what is in its folder"
    )
    page.add_argument("folder", type=Path, metavar="FOLDER")
    add_show(commands.add_parser("show", help="source of a component side by side"))
    add_learning(commands)
    return top


def add_learning(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the commands of those who learn."""
    add_script(
        commands.add_parser("script", help="a model's training as a plain file that runs alone")
    )
    add_exercise(commands.add_parser("exercise", help="find a slip in a framework's code, mend it"))
    add_lessons(
        commands.add_parser(
            "lessons", help="differences between the frameworks: list them, or run one"
        )
    )


def check_settings(asked: argparse.Namespace) -> CheckSettings:
    """What a check is asked, of all that was read."""
    names = (one.name for one in fields(CheckSettings))
    return CheckSettings(**{name: getattr(asked, name) for name in names})


def infer_settings(asked: argparse.Namespace) -> InferSettings:
    """What an inference is asked, of all that was read."""
    # A run of one epoch, which nobody trains.
    run = Settings(**{name: getattr(asked, name) for name in DEFAULTS if name in asked}, epochs=1)
    return InferSettings(run=run, sizes=asked.sizes, seconds=asked.seconds, weights=asked.weights)


def entrants() -> Parser:
    """Who takes part."""
    found = Parser(add_help=False)
    add(found, "backends", "BACKEND[:WORD,...]", nargs="+", metavar="ENTRANT")
    add(found, "backend_path", "folder with further backends")
    add(found, "style", "for who does not say")
    return found


def trained() -> Parser:
    """What is trained, on which data, where and how."""
    found = Parser(add_help=False)
    mixable = f"one more entrant, of {', '.join(MIXABLE)} of several frameworks; may be repeated"
    add(found, "mix", mixable, action="append", default=[], metavar="COMPONENT=BACKEND,...")
    what = found.add_argument_group("what is trained")
    add(what, "model", "softmax unless said")
    add(what, "mode", "default: each framework's usual one")
    add(what, "data", "arrays in memory, or each framework's own loader")
    add(what, "epochs", "default: 10")
    add(what, "batch_size", "default: 256; linear: 10")
    rates = "default: the model's, 0.03 to 0.9; adam, adamw, rmsprop: 0.001; adagrad: 0.01"
    add(what, "lr", rates + "; linear: 0.03, adagrad 0.3")
    add(what, "optimizer", "sgd unless said")
    add(what, "momentum", "m = momentum * m + g; default: sgd 0, momentum 0.9")
    add(what, "nesterov", "p - lr * (g + momentum * m)")
    add(what, "weight_decay", "coupled, g + decay * p; decoupled in adamw; default: 0")
    add(what, "betas", "of adam and adamw; default: 0.9 0.999", nargs=2, metavar=("B1", "B2"))
    add(what, "eps", "beside a root; default: 1e-8; adagrad: 1e-10")
    add(what, "alpha", "of rmsprop, how much of the squares is kept; default: 0.99")
    add(what, "schedule", "of the learning rate over the whole run; constant unless said")
    add(what, "warm_up", "steps in which the rate rises to lr", metavar="N")
    add(what, "clip_norm", "to this norm of all gradients together; default: not", metavar="X")
    add(what, "clip_value", "each number of them to [-X, X]; default: not", metavar="X")
    add(what, "label_smoothing", "share of a label that all classes get; default: 0", metavar="E")
    weights = "of examples by class; balanced: n / (classes * n of the class); default: all 1"
    add(what, "class_weights", weights, nargs="+", type=weight, metavar="W")
    add(what, "hidden", "width of the MLP")
    add(what, "seed", "initial weights and orders")
    add(what, "init", "whose law draws the weights: the book's, the same for all, or each its own")
    add(
        what,
        "dtype",
        "float64 leaves no room for rounding; bfloat16 and tfloat32 where a framework has them",
    )
    data = add_data(found)
    add(data, "limit", "first N training examples only", metavar="N")
    add(data, "drop_last", "leave the short batch out")
    where = add_where(found)
    add(where, "workers", "loader workers")
    return found


def add_data(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Add where examples come from; the group they are in."""
    data = parser.add_argument_group("on which data")
    add(data, "dataset", "fashion-mnist unless said")
    add(data, "data_dir", "folder with the data; final")
    add(data, "custom_data", "other data there: IDX, .npz, CIFAR-10's files, pictures")
    add(data, "resize", "pictures of SIDE x SIDE", metavar="SIDE")
    return data


def add_where(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Add where entrants run, and for how long a call may; the group that is in."""
    where = parser.add_argument_group("where and how")
    add(where, "device", "cpu unless said")
    add(where, "threads", "cores for each entrant; default: all")
    add(where, "timeout", "seconds one call may take")
    interpreter = {"action": "append", "default": [], "metavar": "BACKEND=PATH"}
    add(where, "python", "another interpreter", **interpreter)
    return where


def rounds() -> Parser:
    """What a run has, and a diagnosis has not."""
    found = Parser(add_help=False)
    checks = found.add_argument_group("what is checked")
    add(checks, "check", "full unless said; quick: the first step, and the run as far as it gets")
    longest = "for all checks; default: as long as training took, at least 10; quick: a fifth"
    add(checks, "check_seconds", longest, metavar="S")
    add(checks, "no_band", "skip the nudged runs")
    checks.add_argument(
        "--strict",
        action="store_true",
        help="exit 1 unless every verdict is identical, rounding or declared",
    )
    add(found, "rounds", "repeat the whole training")
    add(found, "wait_quiet", "wait at most so long until nobody else uses the cores", metavar="S")
    add(
        found,
        "start_alone",
        "start one entrant after the other, so that each start is timed by itself",
    )
    out = found.add_argument_group("where it is saved")
    add(out, "out", "result folder", metavar="DIR")
    add(out, "force", "replace an old run's files in --out, once the new ones are whole")
    return found


def output(what: str) -> Parser:
    """Where the answer goes."""
    found = Parser(add_help=False)
    group = found.add_argument_group("what comes out")
    group.add_argument("--json", metavar="FILE", help=what)
    add(group, "quiet", "no progress, no table")
    add(group, "no_progress", "no progress")
    return found


def add_check(check: argparse.ArgumentParser) -> None:
    """Add the options of `check`; what it shares with runs means the same."""
    what = check.add_argument_group("what is checked")
    form = "FRAMEWORK[:MODE]=module.path:NAME, or =path/to/file.py:NAME"
    what.add_argument("--reference", metavar="SIDE", help=f"what is right: {form}")
    what.add_argument("--port", metavar="SIDE", help="what is to be as right")
    what.add_argument(
        "--input",
        action="append",
        default=[],
        metavar="[NAME=]SHAPE",
        help="32x1x28x28, 16x20:int,1000 for tokens, 8x12:bool, FILE.npy or FILE.npz; one for "
        "each input; the NAME of the argument, if it is called by that",
    )
    what.add_argument(
        "--inputs", type=Path, metavar="FILE", help="FILE.npz: arrays by NAME, and labels"
    )
    what.add_argument(
        "--labels",
        metavar="CLASSES",
        help="10; or the SHAPE of targets, FILE.npy, or none; default: labels in --inputs",
    )
    add(what, "mode", "of a side that does not say", default="eager", choices=MODULE_MODES)
    what.add_argument("--train", action="store_true", help="training mode: buffers, too")
    what.add_argument("--map", type=Path, metavar="FILE", help="a mapping.json edited by hand")
    what.add_argument(
        "--only", default="*", metavar="PATTERN", help="these layers alone: 'layer3.*'"
    )
    kit = check.add_argument_group("where the frameworks cannot be together")
    kit.add_argument("--write", type=Path, metavar="KIT", help="a folder, of the reference alone")
    kit.add_argument("--against", type=Path, metavar="KIT", help="in the reference's place")
    kit.add_argument(
        "--kit", type=Path, metavar="KIT", help="in the port's: what a new version changed"
    )
    run = check.add_argument_group("the training run after the layers")
    run.add_argument("--steps", type=number(STEPS), default=3, metavar="N", help="0: none")
    add(run, "optimizer", "sgd unless said")
    add(run, "lr", "learning rate", default=CheckSettings.lr)
    add(run, "dtype", "of the run and its layers", choices=MODULE_DTYPES)
    add(run, "seed", "of all that is drawn")
    where = check.add_argument_group("where and how")
    add(where, "timeout", "seconds one call may take")
    interpreter = {"action": "append", "default": [], "metavar": "FRAMEWORK=PATH"}
    add(where, "python", "another interpreter", **interpreter)
    add(where, "out", "folder for the page, check.json, mapping.json and the logs", metavar="DIR")
    add(where, "force", "replace an old check's files in --out")
    check.add_argument(
        "--strict", action="store_true", help="exit 1, too, if it was not checked to the end"
    )


def add_infer(infer: argparse.ArgumentParser) -> None:
    """Add the options of `infer`; what it shares with runs means the same."""
    what = infer.add_argument_group("what is computed")
    add(what, "model", "softmax unless said")
    add(what, "mode", "default: each framework's usual one")
    add(what, "hidden", "width of the MLP")
    add(what, "seed", "initial weights, and which examples")
    what.add_argument(
        "--from", dest="weights", type=Path, metavar="FILE",
        help="params-NAME.safetensors of a result folder, instead of the initial weights",
    )  # fmt: skip
    add(what, "dtype", "float32 unless said")
    times = infer.add_argument_group("how it is timed")
    times.add_argument(
        "--batch-size", dest="sizes", type=sizes, default=list(SIZES), metavar="SIZE,...",
        help=f"default: {','.join(map(str, SIZES))}",
    )  # fmt: skip
    times.add_argument(
        "--seconds", type=number(NUMBERS["check_seconds"]), default=SECONDS, metavar="S",
        help=f"of each entrant, size and round; default: {SECONDS:g}",
    )  # fmt: skip
    add(times, "rounds", "repeat all of it in fresh processes")
    add(times, "wait_quiet", "wait at most so long until nobody else uses the cores", metavar="S")
    add_data(infer)
    add_where(infer)


def add_grid(grid: argparse.ArgumentParser) -> None:
    """Add the commands of `grid` and their options."""
    steps = grid.add_subparsers(dest="step", required=True, parser_class=Parser)
    plan = steps.add_parser("plan", help="check every cell of a file, and write them down")
    plan.add_argument("file", type=Path, metavar="FILE.toml")
    plan.add_argument("--out", type=Path, required=True, metavar="GRID", help="a new folder")
    run = steps.add_parser("run", help="run the cells that are missing here, one after the other")
    run.add_argument("grid", type=Path, metavar="GRID")
    run.add_argument(
        "--cell", type=number(NATURAL), metavar="N", help="this one alone, again if it failed"
    )
    run.add_argument("--quiet", action="store_true", help="a line for each cell, no progress")
    merge = steps.add_parser("merge", help="one table, grid.json and grid.html of all cells")
    merge.add_argument("grid", type=Path, metavar="GRID")
    merge.add_argument(
        "folders", type=Path, nargs="*", metavar="FOLDER", help="the same grid, run elsewhere"
    )
    merge.add_argument("--out", type=Path, metavar="DIR", help="default: GRID")
    merge.add_argument("--json", metavar="FILE", help="grid.json there, too; - for stdout")
    merge.add_argument("--quiet", action="store_true", help="no table")
    submit = steps.add_parser("submit", help="a job for each cell that is missing (submitit)")
    submit.add_argument("grid", type=Path, metavar="GRID")
    where = submit.add_mutually_exclusive_group(required=True)
    where.add_argument(
        "--slurm",
        type=pair,
        nargs="*",
        metavar="KEY=VALUE",
        help="job arrays; partition=gpu, account=..., whatever sbatch takes",
    )
    where.add_argument("--local", action="store_true", help="processes on this machine, in turn")


def add_diff(diff: argparse.ArgumentParser) -> None:
    """Add the options of `diff`."""
    diff.add_argument("old", type=Path, metavar="OLD")
    diff.add_argument("new", type=Path, metavar="NEW")
    diff.add_argument(
        "--fail-above",
        type=share,
        metavar="PERCENT",
        help="5%%: exit 1 if an entrant is slower by more, its whole interval, or has no time any "
        "more; exit 4 if that cannot be said",
    )
    diff.add_argument(
        "--anyway", action="store_true", help="compare other work, or other machines, too"
    )
    diff.add_argument("--json", metavar="FILE", help="what was found; - for stdout")


def add_env(env: argparse.ArgumentParser) -> None:
    """Add the options of `env`."""
    env.add_argument("backend", nargs="?", metavar="BACKEND", help="whose; none: list them")
    what = env.add_mutually_exclusive_group()
    what.add_argument(
        "--newest", action="store_true", help="the newest there is, not the versions tested"
    )
    what.add_argument("--forget", action="store_true", help="remove it")
    add(env, "backend_path", "folder with further backends")


def add_exercise(exercise: argparse.ArgumentParser) -> None:
    """Add the options of `exercise`."""
    exercise.add_argument("name", nargs="?", metavar="NAME", help="which; none: list them")
    what = exercise.add_mutually_exclusive_group()
    what.add_argument("--start", type=Path, metavar="DIR", help="write it there, to be edited")
    what.add_argument("--check", type=Path, metavar="DIR", help="is it solved, or nearer?")
    what.add_argument("--hint", action="store_true")
    what.add_argument("--answer", action="store_true")
    add(exercise, "no_progress", "no progress")


def add_show(show: argparse.ArgumentParser) -> None:
    """Add the options of `show`."""
    show.add_argument(
        "component",
        metavar="COMPONENT",
        help=f"{', '.join(COMPONENTS)}, or one function, as update.sgd_scratch",
    )
    add(show, "backends", "BACKEND[:WORD,...]", nargs="+", metavar="ENTRANT")
    add(show, "backend_path", "folder with further backends")
    add(show, "style", "for who does not say", default=None)
    add(show, "model", "of this model alone", default=None)
    show.add_argument("--no-docstrings", action="store_true")
    show.add_argument("--html", action="store_true", help="a page, on stdout, instead of text")


def add_script(script: argparse.ArgumentParser) -> None:
    """Add the options of `script`."""
    script.add_argument("model", metavar="MODEL", choices=MODELS, help=", ".join(MODELS))
    script.add_argument("entrants", nargs="+", metavar="ENTRANT", help="BACKEND[:STYLE]")
    script.add_argument(
        "--side-by-side", action="store_true", help="a page of all in columns, on stdout or in DIR"
    )
    add(script, "out", "folder for the files; one alone is printed", metavar="DIR")
    add(script, "backend_path", "folder with further backends")
    add(script, "optimizer", "sgd unless said", default="sgd", choices=("sgd", "adam"))
    add(script, "lr", "default: the model's")
    add(script, "batch_size", "default: 256; linear: 10")
    add(script, "epochs", "default: 10")
    add(script, "seed", "initial weights and orders")


def add_lessons(lessons: argparse.ArgumentParser) -> None:
    """Add the options of `lessons`."""
    lessons.add_argument("name", nargs="?", metavar="NAME", help="which; none: list them")
    lessons.add_argument("--all", action="store_true", help="run every one")
    lessons.add_argument("--topic", choices=TOPICS, metavar="TOPIC", help=", ".join(TOPICS))
    lessons.add_argument(
        "--backends", nargs="+", metavar="BACKEND", help="run in these; none: in all that are here"
    )
    lessons.add_argument("--html", action="store_true", help="NAME as a page, on stdout; not run")
    lessons.add_argument(
        "--markdown", action="store_true", help="all claims as docs/differences.md has them"
    )
    lessons.add_argument(
        "--site",
        type=Path,
        metavar="DIR",
        help="all of them, and the listings, as pages that open offline",
    )

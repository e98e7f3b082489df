"""The commands and options of `qkd-study`."""

from __future__ import annotations

import argparse

from qkd_study import __version__

_RUN = "a run's folder or address, STUDY/RUN_ID, or STUDY"


def build_parser() -> argparse.ArgumentParser:
    """The parser of the command line, with every command and its options."""
    parser = argparse.ArgumentParser(
        prog="qkd-study",
        description="Hyperparameter and scaling studies of quantum knowledge distillation.",
        epilog="Exit codes: 0 done, 2 bad input, 3 interrupted or incomplete, 1 anything else.",
    )
    parser.add_argument("--version", action="version", version=f"qkd-study {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    init = commands.add_parser("init", help="write a commented study file to begin with")
    init.add_argument("file", metavar="STUDY.py", help="where to; it is never overwritten")
    init.add_argument(
        "--setting", metavar="NAME", help="who teaches whom; a terminal is asked without it"
    )
    init.add_argument("--dataset", metavar="NAME", help="of a dataset, or a .csv, .parquet or .npz")
    init.add_argument(
        "--label", metavar="COLUMN", default="label", help="the classes, of a file that is a table"
    )

    run = commands.add_parser(
        "run", help="run a study; the same command again goes on where it stopped"
    )
    add_run_options(run)

    plan = commands.add_parser("plan", help="what a study would run, and what that would take")
    _study_options(plan)
    plan.add_argument(
        "--cpus",
        metavar="N[,N...]",
        help="forecast for so many CPUs (default: all cores here)",
    )
    plan.add_argument(
        "--forecast",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="time short trainings and forecast the rest (default: unless --json)",
    )
    plan.add_argument(
        "--width",
        type=float,
        metavar="POINTS",
        help="find the fewest runs for intervals of +- so many percentage points, and plan them",
    )
    plan.add_argument(
        "--from",
        dest="spreads_of",
        metavar="RUN",
        help="the run whose spreads --width uses (default: the newest of the study)",
    )
    plan.add_argument(
        "--recalibrate", action="store_true", help="time anew what was timed on this machine before"
    )
    _json_option(plan)

    show = commands.add_parser(
        "show", help="what a study declares, resolved: models, circuits, search space, arms, cells"
    )
    _study_options(show)
    _json_option(show)

    listing = commands.add_parser("list", help="the runs there are")
    _out_option(listing)
    _json_option(listing)

    status = commands.add_parser("status", help="how far a run is, and what failed and why")
    status.add_argument("run", metavar="RUN", help=_RUN)
    _out_option(status)
    _json_option(status)

    report = commands.add_parser(
        "report", help="verdicts, tables and figures as one page that opens from disk"
    )
    report.add_argument(
        "runs",
        metavar="RUN",
        nargs="+",
        help=f"{_RUN}; several are compared on one page",
    )
    report.add_argument(
        "--to",
        metavar="DIR",
        help="where to write (default: the run's folder; for several, --out; for an address, "
        "below results)",
    )
    _out_option(report)

    diff = commands.add_parser(
        "diff", help="what two runs declare differently, and their gains side by side"
    )
    diff.add_argument("runs", metavar="RUN", nargs=2, help=_RUN)
    _out_option(diff)
    _json_option(diff)

    replay = commands.add_parser("replay", help="compute rows again, and compare every metric")
    replay.add_argument("run", metavar="RUN", help=f"{_RUN}, or the .zip file of a bundle")
    replay.add_argument(
        "--phase", choices=("teacher", "search", "confirm"), help="rows of this phase"
    )
    replay.add_argument("--cell", metavar="CELL", help="such as samples=20,depth=2")
    replay.add_argument("--arm", metavar="ARM")
    replay.add_argument("--trial", type=int, metavar="N", help="number of the configuration")
    replay.add_argument("--replicate", type=int, metavar="N", help="number of the seed")
    _out_option(replay)
    _json_option(replay)

    export = commands.add_parser(
        "export", help="write a trained student to a folder, with its model card"
    )
    export.add_argument("run", metavar="RUN", help=f"{_RUN} below results")
    export.add_argument("--cell", metavar="CELL", help="such as samples=20,depth=2")
    export.add_argument("--arm", metavar="ARM")
    export.add_argument(
        "--replicate",
        type=int,
        metavar="N",
        help="number of the seed (default: the best on validation)",
    )
    export.add_argument(
        "--best",
        action="store_true",
        help="of the cells and arms that are not given, the best on validation",
    )
    export.add_argument("--out", required=True, metavar="DIR", help="the folder to write")

    bundle = commands.add_parser(
        "bundle", help="write a run with its data as a .zip file that replay takes anywhere"
    )
    bundle.add_argument("run", metavar="RUN", help=_RUN)
    bundle.add_argument("--to", required=True, metavar="FILE.zip", help="a new file")
    _out_option(bundle)

    cache = commands.add_parser("cache", help="what is kept between runs on this machine")
    cache.add_argument("action", nargs="?", choices=("show", "clear"), default="show")
    cache.add_argument("name", nargs="?", help="of the part to clear (default: all)")
    _json_option(cache)

    data = commands.add_parser(
        "data", help="the datasets: list them, fetch or check one, export the split of a replicate"
    )
    data.add_argument("action", choices=("list", "fetch", "check", "export"))
    data.add_argument(
        "name", nargs="?", help="of the dataset; for check and export, also a file or folder"
    )
    _file_options(data)
    data.add_argument("--to", metavar="FILE", help="export: a new .csv, .parquet or .npz file")
    data.add_argument(
        "--replicate",
        type=int,
        default=1000,
        metavar="N",
        help="export: number of the seed (default: 1000, the first of the confirm phase)",
    )
    data.add_argument(
        "--validation-samples",
        type=int,
        default=400,
        metavar="V",
        help="export: as the study has it (default: 400)",
    )
    data.add_argument(
        "--seed", type=int, default=0, metavar="N", help="export: as the study has it (default: 0)"
    )
    completion = commands.add_parser(
        "completion", help="print a script that completes commands and options in a shell"
    )
    completion.add_argument("shell", choices=("bash", "zsh", "fish"))
    return parser


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `run` to a parser."""
    _study_options(parser)
    parser.add_argument("--new", action="store_true", help="start over in a new folder")
    parser.add_argument("--cpus", type=int, metavar="N", help="trials at once (default: all cores)")
    parser.add_argument(
        "--address",
        metavar="WHERE",
        help="a Ray cluster: auto or HOST:PORT on one of its nodes, else http://HOST:8265",
    )
    parser.add_argument(
        "--time-limit",
        type=float,
        metavar="SECONDS",
        help="of one run; one that takes longer is stopped and tried twice more "
        "(default: an hour, or 20 times the longest run so far if that is more)",
    )
    parser.add_argument(
        "--time-budget",
        metavar="DURATION",
        help="of the whole command, such as 30m or 1h30m: what would not end in time in every cell "
        "and arm is not begun; the same command goes on later",
    )
    parser.add_argument(
        "--retry-failed",
        action="store_true",
        help="run again what failed for another reason than divergence",
    )
    parser.add_argument(
        "--log",
        action="append",
        default=[],
        choices=("tensorboard", "mlflow"),
        help="tell this of every run too; may be repeated",
    )
    _out_option(parser)


def _study_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", metavar="STUDY.py", help="the study file; it is code, and is run")
    parser.add_argument("--quick", action="store_true", help="a small version of the same study")
    parser.add_argument("--dataset", metavar="NAME", help="use this dataset")
    parser.add_argument("--seed", type=int, metavar="N", help="where all randomness starts")
    parser.add_argument("--trials", type=int, metavar="N", help="configurations per cell and arm")
    parser.add_argument(
        "--replicates", type=int, metavar="N", help="confirm replicates, without looks"
    )
    parser.add_argument(
        "--no-predictions",
        dest="predictions",
        action="store_false",
        help="keep no predictions per test sample: intervals are over replicates only",
    )
    parser.add_argument(
        "--no-weights",
        dest="weights",
        action="store_false",
        help="keep no trained students: none can be exported afterwards",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="fix a parameter, built-in or declared by the study; may be repeated",
    )


def _file_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--label", metavar="COLUMN", default="label", help="the classes, of a file that is a table"
    )
    parser.add_argument(
        "--drop",
        action="append",
        default=[],
        metavar="COLUMN",
        help="no feature, of a file that is a table; may be repeated",
    )
    parser.add_argument("--sep", default=",", metavar="CHAR", help="between columns of a .csv file")
    parser.add_argument(
        "--decimal", default=".", metavar="CHAR", help="before decimals in a .csv file"
    )
    parser.add_argument(
        "--standardise",
        action="store_true",
        help="subtract the mean of each feature, and divide by its standard deviation",
    )


def _out_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out",
        default="results",
        metavar="WHERE",
        help="results folder, or s3://BUCKET/FOLDER (default: results)",
    )


def _json_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")

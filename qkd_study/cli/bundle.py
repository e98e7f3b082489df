"""`qkd-study bundle`."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from qkd_study.common.exit_codes import DONE
from qkd_study.common.terminal import print_wrapped


def bundle(options: Namespace) -> int:
    """`qkd-study bundle`: write a run with its data as a .zip file that `replay` takes."""
    from qkd_study.results import find_run
    from qkd_study.results.bundle import write_bundle

    run = find_run(options.run, options.out)
    if run.remote_sync is not None:
        run.remote_sync.pull()
    made = write_bundle(run, Path(options.to))
    print_wrapped(f"{options.to}: {made.files} files, {made.size / 1e6:,.1f} MB, of {run.where}")
    for name, licence in made.licences.items():
        print_wrapped(f"data of {name}: {licence}")
    for name in made.left_out:
        print_wrapped(
            f"without the data of {name}, whose authors state no licence: a replay needs them on "
            f"its machine"
        )
    print_wrapped(f"anywhere: qkd-study replay {options.to} --phase confirm --replicate 1000")
    return DONE

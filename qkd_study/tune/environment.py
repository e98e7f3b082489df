"""The environment of Ray and of the workers: set before Ray or PennyLane is imported."""

from __future__ import annotations

import os

import optuna

#: For the driver: little output, no usage reports, token authentication.
DRIVER = {
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_AUTH_MODE": "token",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    # The runtime environments of the job and of the driver are merged.
    "RAY_OVERRIDE_JOB_RUNTIME_ENV": "1",
    "RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "0",
    # By default Tune starts workers one by one. `_Searcher` limits how many there are.
    "TUNE_MAX_PENDING_TRIALS_PG": "100000",
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
}

#: For local Ray. Despite its name this makes Ray bind to loopback only, on Linux too; in a cluster
#: the driver would be unreachable.
LOCAL = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}

#: For the workers: one thread each, because several processes with all cores each are slower.
WORKER = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}


def prepare_driver(*, local: bool = True) -> None:
    """Reduce Optuna's output and set the variables that Ray reads on import; workers inherit them.

    Variables that are already set stay.

    Args:
        local: whether Ray will run on this machine alone, rather than join a cluster.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    for name, value in {**DRIVER, **(LOCAL if local else {}), **WORKER}.items():
        os.environ.setdefault(name, value)

"""The environment of Ray and of the workers: set before Ray or PennyLane is imported."""

from __future__ import annotations

import os

import optuna

#: For the driver. Quiet, without usage reports, on loopback only.
DRIVER = {
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_AUTH_MODE": "token",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    # Despite its name this makes Ray bind to loopback only, on Linux too.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "0",
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
}

#: For the workers: one thread each, because several with all cores are slower than one.
WORKER = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}


def prepare_driver() -> None:
    """Quieten Optuna, and set what Ray reads when it is imported; workers inherit it.

    What the user has set stays.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    for name, value in {**DRIVER, **WORKER}.items():
        os.environ.setdefault(name, value)

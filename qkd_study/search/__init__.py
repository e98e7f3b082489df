"""Decides what to run next: Optuna's suggestions for every cell and arm, then confirmation."""

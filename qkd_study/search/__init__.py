"""What to run next: Optuna's suggestions for every cell and arm, then their confirmation."""

"""Running a plan with Ray Tune and Optuna."""

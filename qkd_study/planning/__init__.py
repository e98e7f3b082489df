"""What a study will run, and whether it can: counted, built and tried before anything trains."""

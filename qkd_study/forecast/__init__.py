"""What a study will take: calibrated on this machine, simulated for any number of CPUs."""

"""What a study will take: calibrated on this machine, simulated for any number of CPUs."""

from qkd_study.forecast.forecast import Forecast, Outlook, forecast

__all__ = ["Forecast", "Outlook", "forecast"]

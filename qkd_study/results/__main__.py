"""`python -m qkd_study.results` prints results/README.md."""

from qkd_study.results.schema import describe

print(describe(), end="")

"""`python -m qkd_study.results` prints results/README.md."""

from qkd_study.results.description import describe

print(describe(), end="")

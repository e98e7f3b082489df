"""`python -m qkd_study` is `qkd-study`."""

import sys

from qkd_study.cli.main import main

sys.exit(main())

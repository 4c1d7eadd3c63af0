"""`python -m ropewalk` is the command line."""

from __future__ import annotations

import sys

from ropewalk.cli.main import main

sys.exit(main())

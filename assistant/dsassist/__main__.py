"""`python -m dsassist`, for where the script is not on PATH."""

from __future__ import annotations

import sys

from dsassist.cli import main

sys.exit(main())

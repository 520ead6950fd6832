"""`python -m genus` and `torchrun -m genus`: the command line."""

import sys

from genus.cli import main

sys.exit(main())

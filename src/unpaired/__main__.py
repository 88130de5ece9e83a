"""`python -m unpaired`."""

from unpaired.cli import main

raise SystemExit(main())

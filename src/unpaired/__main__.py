"""Entry point of `python -m unpaired`."""

from unpaired.cli.main import main

raise SystemExit(main())

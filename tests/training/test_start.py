"""What a command loads before it has anything to do."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("command", ["train", "check", "compare"])
def test_help_does_not_wait_for_what_trains(command: str) -> None:
    """Fabric loads torchmetrics, scipy and torch's compiler: more than all the rest."""
    code = f"""
import sys
from unpaired.cli.main import main
try:
    main(['{command}', '--help'])
except SystemExit:
    pass
print('loaded:', 'lightning_fabric' in sys.modules)
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.startswith(f"usage: unpaired {command}") and told.endswith("loaded: False\n")

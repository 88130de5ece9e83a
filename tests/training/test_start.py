"""Modules that a command imports before it starts."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("command", ["train", "check", "compare"])
def test_help_does_not_import_fabric(command: str) -> None:
    """Importing Fabric takes longest, because it imports torchmetrics, scipy and torch's compiler."""
    code = f"""
import sys
from unpaired.cli.main import main
try:
    main(['{command}', '--help'])
except SystemExit:
    pass
print('loaded:', 'lightning_fabric' in sys.modules)
"""
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.startswith(f"usage: unpaired {command}") and output.endswith("loaded: False\n")

from __future__ import annotations

import os
from pathlib import Path

import pytest

from unpaired.errors import UsageError
from unpaired.runs.folder import called, load_model


def test_a_folder_is_called_by_its_domains_of_many_by_the_first() -> None:
    assert called(["photos", "paintings"]) == "photos-paintings"
    assert called([str(i) for i in range(40)]) == "0-1-2-3-36-more"
    assert len(os.fsencode(called(["ä" * 100] * 4))) <= 255


def test_only_the_checkpoints_that_there_are_can_be_asked_for(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="checkpoint 'bst'; expected last or best"):
        load_model(tmp_path, "bst")  # type: ignore[arg-type]

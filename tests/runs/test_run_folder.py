from __future__ import annotations

import os

from unpaired.runs.folder import called


def test_a_folder_is_called_by_its_domains_of_many_by_the_first() -> None:
    assert called(["photos", "paintings"]) == "photos-paintings"
    assert called([str(i) for i in range(40)]) == "0-1-2-3-36-more"
    assert len(os.fsencode(called(["ä" * 100] * 4))) <= 255

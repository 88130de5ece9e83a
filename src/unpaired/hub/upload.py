"""Upload of a run: weights, configuration and model card, without the paths of the training data."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from unpaired.config.run_config import remove_paths, write_config
from unpaired.errors import UsageError, WorkError
from unpaired.hub.download import import_hub
from unpaired.hub.model_card import write_model_card
from unpaired.runs.folder import RunFolder, load_model
from unpaired.runs.summary import read_run_summary


def push_run(
    run: str | os.PathLike[str], repository: str, license: str, *, samples: bool = False, private: bool = False
) -> str:
    """Upload a run to the repository `user/name` of the hub, which is created; returns its address.

    The best checkpoint is uploaded if there is one, else the last, with the configuration and a model card. `samples`
    adds the report and the sample grids, which show training data. `license` is an identifier of the hub.

    Raises UsageError if huggingface_hub or a token is missing, or the name is invalid; WorkError if the upload fails.
    """
    hub = import_hub("push")
    path = Path(run)
    load_model(path)  # damaged weights are not uploaded
    with tempfile.TemporaryDirectory() as name:
        stage_run(path, Path(name), repository, license, samples)
        api = hub.HfApi()
        try:
            address = api.create_repo(repository, private=private, exist_ok=True)
            api.upload_folder(repo_id=repository, folder_path=name, commit_message=f"unpaired push {path.name}")
        except hub.errors.HFValidationError as error:
            raise UsageError(f"{repository}: expected the name of a repository, user/name") from error
        except hub.errors.LocalTokenNotFoundError as error:
            raise UsageError("no access token for the hub; log in with `hf auth login`, or set HF_TOKEN") from error
        except (hub.errors.HfHubHTTPError, OSError) as error:
            reason = str(error).strip().splitlines()[0]
            raise WorkError(f"{repository}: the upload failed ({reason}); may the token write there?") from error
    return str(address)


def stage_run(run: Path, folder: Path, repository: str, license: str, samples: bool = False) -> None:
    """Write the files to upload into an empty folder."""
    source, staged = RunFolder(run), RunFolder(folder)
    summary = read_run_summary(run)
    checkpoint = summary.default_checkpoint
    assert checkpoint is not None, "load_model found one"
    summary = replace(summary, config=remove_paths(summary.config))
    write_config(staged.config, summary.config)
    shutil.copy(source.model_path(checkpoint), staged.model_path(checkpoint))
    (folder / "README.md").write_text(write_model_card(summary, repository, license), encoding="utf-8")
    if samples:
        for path in (source.report, source.samples):
            if path.is_dir():
                shutil.copytree(path, folder / path.name)
            elif path.is_file():
                shutil.copy(path, folder / path.name)

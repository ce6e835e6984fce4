"""What of a config is refused before anything is read, naming the key."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rfcx_lab.config import Config
from rfcx_lab.errors import LabError
from rfcx_lab.lab.checks import FOLDERS, check_config
from tests.conftest import TOY, compose_config


@pytest.fixture(scope="module")
def config() -> Config:
    return compose_config(*TOY)


@pytest.mark.parametrize("name", ["", *FOLDERS])
def test_file_in_the_place_of_a_folder_is_named(config, tmp_path, name):
    runs = tmp_path / "runs"
    check_config(replace(config, runs_dir=str(runs)))
    place = runs / name
    place.parent.mkdir(exist_ok=True)
    for make in (place.touch, lambda: place.symlink_to("nowhere")):
        make()
        with pytest.raises(LabError, match=f"{place} is not a folder; move it away, or set runs_dir to another place"):
            check_config(replace(config, runs_dir=str(runs)))
        place.unlink()


@pytest.mark.parametrize("runs_dir", ["", "  "])
def test_runs_dir_that_names_nothing_is_refused(config, runs_dir):
    with pytest.raises(LabError, match=f"runs_dir={runs_dir}: must be a folder"):
        check_config(replace(config, runs_dir=runs_dir))


@pytest.mark.parametrize("runs_dir", ["what?", "/tmp/run #1", "50%/runs"])
def test_runs_dir_that_no_database_s_address_can_hold_is_refused(config, runs_dir):
    with pytest.raises(LabError, match=r"no address of a database can hold its [?#%]; choose another folder") as caught:
        check_config(replace(config, runs_dir=runs_dir))
    assert str(caught.value).startswith(f"runs_dir={runs_dir}: ")

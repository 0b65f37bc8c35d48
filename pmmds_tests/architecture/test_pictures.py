"""The pictures of the documentation are small and show the pages as they are now."""

from __future__ import annotations

import msgspec
import pytest

from pmmds_tests.harness.documentation_pictures import FOLDER, MANIFEST, MAX_BYTES, PICTURES, Picture, digest_of


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.name)
def test_no_picture_is_older_than_the_templates_and_styles_it_shows(picture: Picture) -> None:
    recorded = msgspec.json.decode(MANIFEST.read_bytes())[picture.name]
    assert recorded == digest_of(picture), f"Run `make pictures`: the sources of {picture.name} have changed."


def test_the_folder_has_exactly_the_pictures_and_they_are_small() -> None:
    files = {file.name: file.stat().st_size for file in FOLDER.glob("*.png")}
    assert set(files) == {picture.name for picture in PICTURES}
    assert {name: size for name, size in files.items() if size > MAX_BYTES} == {}

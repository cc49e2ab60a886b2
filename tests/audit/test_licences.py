"""Licences read from words, their families, and what several of them leave for a model's weights."""

from __future__ import annotations

import pytest

from aigc_lab import audit, collect
from aigc_lab.audit import licences


@pytest.mark.parametrize(
    ("words", "spdx"),
    [
        ("MIT", ("MIT",)),
        ("CC BY 4.0 (UCI); scikit-learn is BSD-3-Clause", ("CC-BY-4.0", "BSD-3-Clause")),
        ("commonly cited as CC BY-SA 3.0; the repository states none", ("CC-BY-SA-3.0", "NOASSERTION")),
        ("Python Software Foundation License 2", ("PSF-2.0",)),
        ("public domain text; the package is MIT", ("LicenseRef-public-domain", "MIT")),
        ("CC BY-SA 4.0, as the recordings, whose licence an adaptation keeps", ("CC-BY-SA-4.0",)),
        ("3-Clause BSD License", ("BSD-3-Clause",)),
        ("BSD License", ("LicenseRef-BSD",)),
        ("GNU Lesser General Public License v2 or later (LGPLv2+)", ("LGPL-2.1-or-later",)),
        ("GNU General Public License v3 or later (GPLv3+)", ("GPL-3.0-or-later",)),
        ("Apache-2.0 AND CNRI-Python", ("Apache-2.0", "CNRI-Python")),
        ("GPL-3.0-only OR MIT", ("MIT",)),  # a choice: the mildest
        ("CC BY-NC 4.0", ("CC-BY-NC-4.0",)),
        ("", ("NOASSERTION",)),
        ("ask my cousin", ("NOASSERTION",)),
        ("not stated: check it before you publish", ("NOASSERTION",)),
    ],
)
def test_words_become_identifiers(words, spdx):
    assert licences.read(words) == spdx


def test_every_data_set_of_the_course_has_a_family():
    found = {one.name: one for one in licences.data_sets()}
    assert list(found) == collect.names()
    assert found["spoken-digits"].family == "share-alike" and found["spoken-digits"].commercial
    assert found["photos"].family == "unknown" and "CC-BY-2.0" in found["photos"].spdx
    assert "CC-BY-SA-3.0" in found["mnist-label-errors"].spdx  # "images as mnist-t10k"
    assert found["animals"].row()["asks for"] == "keep the notice"


def test_a_package_says_its_licence_or_is_read_by_hand():
    assert licences.package("numpy").spdx[0] == "BSD-3-Clause"
    assert licences.package("onnx").spdx == ("Apache-2.0",)
    assert licences.package("no-such-package-here").said == "not installed here"


def test_the_strictest_licence_wins():
    assert audit.strictest(["MIT", "CC-BY-4.0"]) == "CC-BY-4.0"
    assert audit.strictest(["MIT", "CC-BY-SA-4.0", "CC-BY-4.0"]) == "CC-BY-SA-4.0"
    assert audit.strictest(["CC-BY-SA-3.0", "CC-BY-SA-4.0"]) == "CC-BY-SA-4.0"
    assert audit.strictest(["MIT", "NOASSERTION"]) == "NOASSERTION"
    assert audit.strictest(["CC0-1.0"]) == "CC0-1.0"


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ([], "no licence to combine"),
        (["CC-BY-SA-4.0", "ODbL-1.0"], "exclude each other"),
        (["CC-BY-SA-4.0", "CC-BY-NC-4.0"], "exclude each other"),
        (["CC-BY-ND-4.0", "MIT"], "leave these data out"),
    ],
)
def test_licences_that_exclude_each_other_are_refused(names, words):
    with pytest.raises(ValueError, match=words):
        audit.strictest(names)

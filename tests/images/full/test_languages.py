# SPDX-License-Identifier: Apache-2.0
"""Every language an image brings passes its own test in it, without any privilege."""

import json

import pytest
from engine import TOP

CORE = {"bash", "c", "cpp", "executable", "python", "sqlite", "text"}
POPULAR = CORE | {"go", "java", "javascript", "perl", "php", "ruby", "rust"}
ALL = {path.stem for path in (TOP / "languages").glob("*.yaml")}


@pytest.mark.parametrize("target, least", [("core", CORE), ("popular", POPULAR), ("all", ALL)])
def test_every_language_of_the_image_passes_its_test(engine, exact, target, least):
    image = engine.build(target)
    options = ("--rm", *exact, image, "languages")
    offered = {row["id"] for row in json.loads(engine.docker("run", *options, "--json").stdout) if row["version"]}
    assert least <= offered, least - offered
    done = engine.docker("run", *options, "--test", check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    print(target, engine.inspect(image)["Size"] // 1000000, "MB:", *sorted(offered))

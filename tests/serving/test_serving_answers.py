"""What a service answers, what it refuses, and what it tells of itself."""

import asyncio
import json
import logging
from concurrent.futures import ThreadPoolExecutor

import pytest

pytest.importorskip("uvicorn", reason="serving needs the extra 'serve'")
pytest.importorskip("prometheus_client", reason="serving needs the extra 'serve'")

from slmbench.cascade import CascadeOptions, cascade
from slmbench.edge import Classifier
from slmbench.serving.app import create_app
from slmbench.serving.options import ServeOptions
from slmbench.serving.service import Service

TEXTS = ["good", "a bad bad plot", "", "good good great fun " * 40, "half \ud83d", "bad", "Grüße 🎉", "good bad"] * 3


def scores_of(predictions, labels):
    """Return the scores in the order of the labels."""
    by_label = {one["label"]: one["score"] for one in predictions}
    return [by_label[label] for label in labels]


@pytest.fixture(scope="module")
def bundles(tiny_bundle, floor_bundle, static_bundle, tmp_path_factory):
    """A bundle of each kind."""
    both = tmp_path_factory.mktemp("cascade") / "both"
    cascade(floor_bundle, tiny_bundle, CascadeOptions(threshold=0.9, large_form="fp32"), output=both)
    return {"onnx": tiny_bundle, "tfidf": floor_bundle, "static": static_bundle, "cascade": both}


@pytest.mark.parametrize(
    ("kind", "form"),
    [("onnx", "fp32"), ("onnx", "int8"), ("tfidf", None), ("static", "int8"), ("cascade", None)],
)
def test_answers_of_many_requests_at_once_are_those_of_each_text_alone_to_the_bit(bundles, served, kind, form):
    alone = Classifier(bundles[kind], form=form, threads=1)
    probabilities = [alone.predict(text)[0].scores for text in TEXTS]
    logits = [alone.predict_logits([text])[0].tolist() for text in TEXTS]
    with served(bundles[kind], form=form, workers=2, batch_ms=20) as client, ThreadPoolExecutor(8) as pool:

        def ask(rows, raw):
            body = json.dumps({"inputs": [TEXTS[row] for row in rows], "raw_scores": raw})
            answer = client.post("/predict", content=body, headers={"content-type": "application/json"})
            return [scores_of(one, alone.labels) for one in answer.json()]

        groups = [list(range(start, len(TEXTS), 8)) for start in range(8)]
        found = {raw: list(pool.map(ask, groups, [raw] * 8)) for raw in (False, True)}
    for rows, plain, raw in zip(groups, found[False], found[True], strict=True):
        assert plain == [list(probabilities[row].values()) for row in rows]
        assert raw == [logits[row] for row in rows]


def test_the_shapes_of_requests_and_answers(tiny_bundle, served):
    with served(tiny_bundle) as client:

        def ask(inputs):
            answer = client.post("/predict", json={"inputs": inputs})
            assert answer.status_code == 200
            return answer.json()

        good, bad = ask("good"), ask("bad")
        assert [sorted(one) for one in good] == [["label", "score"]] * 2
        assert good[0]["score"] >= good[1]["score"] and sum(one["score"] for one in good) == pytest.approx(1)
        assert ask(["good"]) == ask([["good"]]) == [good]
        assert ask(["good", "bad"]) == ask([["good"], ["bad"]]) == [good, bad]
        assert client.post("/", json={"inputs": "good"}).json() == good
        timing = client.post("/predict", json={"inputs": "good"}).headers["server-timing"]
        assert [part.partition(";dur=")[0] for part in timing.split(", ")] == ["queue", "inference"]


LONG = "good " * 40
REFUSED = [
    ('{"inputs": ', 400, "Validation"),
    (b'{"inputs": "\xff"}', 400, "Validation"),
    ("[" * 100_000, 400, "Validation"),
    ("", 422, "Validation"),
    ("[]", 422, "Validation"),
    ('{"texts": "good"}', 422, "Validation"),
    ('{"inputs": 7}', 422, "Validation"),
    ('{"inputs": [null]}', 422, "Validation"),
    ('{"inputs": {"text": "good"}}', 422, "Validation"),
    ('{"inputs": []}', 422, "Validation"),
    ('{"inputs": [[]]}', 422, "Validation"),
    ('{"inputs": [["good", "bad"]]}', 422, "Validation"),
    ('{"inputs": "good", "raw_scores": "perhaps"}', 422, "Validation"),
    ('{"inputs": "good", "truncation_direction": "Left"}', 422, "Validation"),
    (json.dumps({"inputs": LONG, "truncate": False}), 413, "Validation"),
    (json.dumps({"inputs": ["good"] * 5}), 413, "Validation"),
    (json.dumps({"inputs": "a" * 301}), 413, "Validation"),
    (json.dumps({"inputs": "a" * 20_000}), 413, "Validation"),
]


def test_what_is_refused_gets_its_status_and_one_sentence(tiny_bundle, served):
    with served(tiny_bundle, max_inputs=4, max_characters=300, max_body_bytes=150_000) as client:
        for body, status, kind in REFUSED:
            answer = client.post("/predict", content=body, headers={"content-type": "application/json"})
            assert (answer.status_code, answer.json()["error_type"]) == (status, kind), body[:80]
            assert list(answer.json()) == ["error", "error_type"] and "\n" not in answer.json()["error"]
        large = b'{"inputs": "' + b"a" * 150_000 + b'"}'
        for content in (large, iter([large])):  # with the length in its head, and without
            answer = client.post("/predict", content=content, headers={"content-type": "application/json"})
            assert (answer.status_code, answer.json()["error_type"]) == (413, "Validation")
        for method, path, status in [("GET", "/nowhere", 404), ("GET", "/predict", 405)]:
            answer = client.request(method, path)
            assert (answer.status_code, answer.json()["error_type"]) == (status, "Validation")
        assert client.post("/predict", json={"inputs": LONG}).status_code == 200
        assert client.post("/predict", json={"inputs": "good", "truncate": False}).status_code == 200


def test_a_text_that_the_model_fails_on_fails_alone(held):
    with held() as client:
        client.classifier.go.set()
        answer = client.post("/predict", json={"inputs": ["fine", "break"]})
        assert (answer.status_code, answer.json()["error_type"]) == (424, "Backend")
        assert "break" not in answer.json()["error"]
        assert client.post("/predict", json={"inputs": "fine"}).status_code == 200


def test_too_many_texts_are_refused_until_there_is_room(held):
    with held(max_queue=3, max_inputs=2) as client, ThreadPoolExecutor(2) as pool:
        first = pool.submit(client.post, "/predict", json={"inputs": ["one", "two"]})
        assert client.classifier.begun.acquire(timeout=60)
        refused = client.post("/predict", json={"inputs": ["three", "four"]})
        assert (refused.status_code, refused.json()["error_type"]) == (429, "Overloaded")
        second = pool.submit(client.post, "/predict", json={"inputs": "five"})
        client.classifier.go.set()
        assert [one.result().status_code for one in (first, second)] == [200, 200]
        assert client.post("/predict", json={"inputs": ["six", "seven"]}).status_code == 200


def test_too_many_requests_are_refused_before_they_are_read(held):
    with held(max_queue=1, max_inputs=1) as client, ThreadPoolExecutor(1) as pool:
        first = pool.submit(client.post, "/predict", json={"inputs": "one"})
        assert client.classifier.begun.acquire(timeout=60)
        answer = client.post("/predict", content="no JSON", headers={"content-type": "application/json"})
        assert (answer.status_code, answer.json()["error_type"]) == (429, "Overloaded")
        assert client.get("/health").status_code == 200
        client.classifier.go.set()
        assert first.result().status_code == 200


def test_a_service_that_ends_takes_nothing_new(held):
    with held() as client:
        client.service.draining = True
        assert client.get("/health").json()["error_type"] == "Unhealthy"
        assert (client.get("/health").status_code, client.get("/metrics").status_code) == (503, 200)
        assert client.post("/predict", json={"inputs": "one"}).status_code == 503


@pytest.mark.parametrize(("batch_ms", "batches"), [(0, 5), (600_000, 2)])
def test_a_batch_is_what_waits_and_is_handed_back_within_its_budget(held, batch_ms, batches):
    with held(batch_ms=batch_ms) as client, ThreadPoolExecutor(5) as pool:
        waiting = [pool.submit(client.post, "/predict", json={"inputs": "text"})]
        assert client.classifier.begun.acquire(timeout=60)
        waiting.append(pool.submit(client.post, "/predict", json={"inputs": ["a", "b", "c", "d"]}))
        value = client.service.metrics.registry.get_sample_value
        while value("slmbench_queue_texts") != 5:
            pass
        client.classifier.go.set()
        assert [one.result().status_code for one in waiting] == [200, 200]
        # With a budget the worker goes on with what waits, and hands back five together.
        found = value("slmbench_batch_texts_count"), value("slmbench_batch_texts_sum")
    assert found == (1 if batch_ms else batches, 5)


def test_a_body_that_does_not_arrive_is_given_up(tiny_bundle):
    app = create_app(Service(tiny_bundle, ServeOptions(body_s=0.01, watch_s=0)))
    sent = []

    async def never():
        await asyncio.Event().wait()

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "path": "/predict",
        "raw_path": b"/predict",
        "query_string": b"",
        "headers": [(b"content-type", b"application/json")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    asyncio.run(app(scope, never, send))
    assert sent[0]["status"] == 408
    assert json.loads(sent[1]["body"])["error_type"] == "Validation"


def test_what_it_tells_of_itself(tiny_bundle, floor_bundle, served):
    with served(tiny_bundle, form="int8", workers=2) as client:
        info = client.get("/info").json()
        classifier = Classifier(tiny_bundle, form="int8")
        assert (info["model_sha"], info["model_dtype"]) == (classifier.seal, "int8")
        assert info["model_type"]["classifier"]["id2label"] == {"0": "negative", "1": "positive"}
        assert (info["max_input_length"], info["max_client_batch_size"], info["tokenization_workers"]) == (32, 32, 2)
        label = client.post("/predict", json={"inputs": "good"}).json()[0]["label"]
        told = client.get("/metrics").text.splitlines()
        assert 'slmbench_requests_total{path="/predict",status="200"} 1.0' in told
        assert f'slmbench_answers_total{{label="{label}"}} 1.0' in told
        assert "/predict" in client.get("/openapi.json").json()["paths"]
    with served(floor_bundle, workers=2) as client:
        info = client.get("/info").json()
        assert (info["tokenization_workers"], info["max_input_length"]) == (1, ServeOptions().max_body_bytes)


def test_the_access_log_holds_no_texts(tiny_bundle, served, caplog):
    caplog.set_level(logging.INFO)
    with served(tiny_bundle) as client:
        client.post("/predict?inputs=secret", json={"inputs": ["secret", "secret"]})
        client.post("/secret", json={"inputs": 7})
        client.post("/predict", json={"inputs": {"secret": "secret"}})
    lines = [one.getMessage() for one in caplog.records if one.name == "slmbench.serving.access"]
    assert [line.split()[1:5] for line in lines] == [
        ["POST", "/predict", "200", "texts=2"],
        ["POST", "other", "404", "texts=0"],
        ["POST", "/predict", "422", "texts=0"],
    ]
    assert "secret" not in "".join(one.getMessage() for one in caplog.records if one.name.startswith("slmbench"))

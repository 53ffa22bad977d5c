"""A service measured from outside: a stand-in answers, so that no extra is needed and every time is known."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.edge import Classifier
from slmbench.profiling import profile
from slmbench.profiling.outside import ServiceClient
from slmbench.records import ProfileRecord, read_record


class Answering(BaseHTTPRequestHandler):
    """Answers as `slmbench serve` does; where the server is ``busy`` only the first twenty texts that come."""

    protocol_version, disable_nagle_algorithm = "HTTP/1.1", True

    def log_message(self, *_):
        pass

    def do_GET(self):
        self._send(200, self.server.info)

    def do_POST(self):
        inputs = json.loads(self.rfile.read(int(self.headers["content-length"])))["inputs"]
        with self.server.lock:
            self.server.asked.append(inputs)
            if inputs != [] and len(self.server.known) < 20:
                self.server.known.add(inputs)
            refused = self.server.busy and inputs != [] and inputs not in self.server.known
        if inputs == []:
            self._send(422, {"error": "no text", "error_type": "Validation"})
        elif refused:
            self._send(429, {"error": "busy", "error_type": "Overloaded"})
        else:
            self._send(200, [{"score": 0.75, "label": "positive"}, {"score": 0.25, "label": "negative"}])

    def _send(self, status, document):
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.send_header("server-timing", "queue;dur=0.250, inference;dur=1.000")
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def service(tiny_bundle):
    """A stand-in that says it serves the tiny bundle's int8, with two workers."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    server.lock, server.asked, server.known, server.busy = threading.Lock(), [], set(), False
    server.info = {
        "model_id": "tiny",
        "model_sha": Classifier(tiny_bundle).seal,
        "model_dtype": "int8",
        "model_type": {"classifier": {"id2label": {"0": "negative", "1": "positive"}}},
        "tokenization_workers": 2,
    }
    server.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def test_a_service_is_profiled_from_outside(service, tiny_bundle, tmp_path):
    options = {"scenario": "server", "qps": 200.0, "processes": 2, "time_limit_s": 0.4}
    (record,) = profile(tiny_bundle, output=tmp_path, url=service.url, **options)
    assert (record.form, record.threads, record.load.workers, record.load.url) == ("int8", 1, 2, service.url)
    assert [len(process) for process in record.latency.processes_ms] == [40, 40]
    assert record.load.processes_wait_ms == [[0.25] * 40] * 2
    assert all(len(process) == 40 for process in record.load.processes_empty_ms) and record.load.empty_p50_ms > 0
    # Nothing is said of what only the service's machine can see.
    assert (record.cold_start_ms, record.memory.peak_bytes, record.conditions) == (None, None, None)
    assert record.energy.joules_per_review is None
    assert service.asked.count([]) == 80
    assert not any("can be served" in warning for warning in record.warnings)  # two workers, 1 ms each
    (file,) = tmp_path.iterdir()
    assert file.name.split(".")[2].endswith("-server-200qps-http")
    assert read_record(ProfileRecord, file) == record


def test_requests_that_are_refused_are_counted_and_not_timed(service, tiny_bundle, tmp_path):
    service.busy = True
    found = ServiceClient(service.url).serve([f"text {number}" for number in range(24)], [0.0] * 24)
    assert (found["statuses"], len(found["ms"])) == ({"200": 20, "429": 4}, 20)
    service.known.clear()
    options = {"scenario": "server", "qps": 400.0, "processes": 1, "time_limit_s": 0.2}
    (record,) = profile(tiny_bundle, output=tmp_path, url=service.url, **options)
    assert len(record.latency.samples_ms) < 80
    assert any("429" in warning for warning in record.warnings)


def test_what_is_not_the_service_of_the_bundle_is_said(service, tiny_bundle, floor_bundle, tmp_path):
    options = {"scenario": "server", "qps": 200.0, "output": tmp_path}
    with pytest.raises(UsageError):
        profile(floor_bundle, url=service.url, **options)
    for wrong in ({"url": service.url, "threads": 2}, {"url": service.url, "qps": None, "max_p95_ms": 5.0}):
        with pytest.raises(UsageError):
            profile(tiny_bundle, **{**options, **wrong})
    with pytest.raises(UsageError):
        ServiceClient("localhost:8080")
    service.info = {"status": "something else"}
    with pytest.raises(SlmbenchError):
        ServiceClient(service.url)


def test_nothing_that_answers_is_one_sentence(service, tiny_bundle, tmp_path):
    service.shutdown()
    service.server_close()
    with pytest.raises(SlmbenchError, match="slmbench serve"):
        profile(tiny_bundle, scenario="server", qps=200.0, output=tmp_path, url=service.url)


def test_a_connection_that_was_closed_meanwhile_is_opened_again(service):
    client = ServiceClient(service.url)
    client._own.connection.sock.shutdown(2)
    assert client.predict("good")[0].label == "positive"

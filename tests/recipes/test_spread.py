"""A ladder on several machines: rungs side by side, one process a machine, each kind of machine measured."""

import json
import threading
from contextlib import contextmanager
from pathlib import Path
from time import sleep

import pytest
from listener import Listener
from toy_engine import declare_toy
from typer.testing import CliRunner

from slmbench.cli.app import app
from slmbench.common.errors import SlmbenchError
from slmbench.instruments.children import LostError
from slmbench.instruments.engines import Machine
from slmbench.recipes import ladder, run_recipe, spread, worker
from slmbench.recipes.recipe import Recipe, read_recipe

RECIPES = sorted(Path(ladder.__file__).parent.glob("*.toml"))
BOTH = (Machine("10.0.0.1", "a", 4), Machine("10.0.0.2", "b", 4))


class Child:
    """A process on a machine, in this one."""

    def __init__(self, cluster, machine):
        self.cluster, self.machine = cluster, machine

    def ask(self, request, limit_s):
        task = request.get("rung") or ("measure" if "measure" in request else "about")
        json.dumps(request)
        with self.cluster.on(self.machine.name, task):
            return json.loads(json.dumps(self.cluster.answer(self.machine, task, request)))

    def close(self):
        pass


class Cluster:
    """Machines that answer as they are told; it keeps who did what, and notices two processes on one machine."""

    def __init__(self, answer, machines=BOTH):
        self.answer = answer
        self.here = list(machines)
        self.did = []
        self.busy = set()

    def machines(self):
        return list(self.here)

    def start(self, arguments, *, what, threads=None, on=None, wanted):
        assert (list(arguments), threads) == (["-m", "slmbench.recipes.worker"], None)
        return Child(self, on)

    @contextmanager
    def on(self, name, task):
        assert name not in self.busy, "two processes on one machine"
        self.busy.add(name)
        try:
            yield
            self.did.append((name, task))
        finally:
            self.busy.remove(name)


@pytest.fixture
def engine(monkeypatch):
    """Declare an engine ``toy``, whose machines answer so."""

    def declare(answer, machines=BOTH):
        return declare_toy(monkeypatch, Cluster(answer, machines))

    return declare


def written(folder, rungs, corpus="reviews.csv"):
    text = f'name = "few"\n[corpus]\nname = "{corpus}"\ntrain_size = 80\ntest_size = 24\n'
    text += "[profile]\nprocesses = 1\ntime_limit_s = 0.3\n" + "".join(f"[[rungs]]\n{rung}\n" for rung in rungs)
    (folder / "few.toml").write_text(text, encoding="utf-8")
    return "few.toml"


def not_profiled(machine, task, request):
    """The answer of a machine on which rungs have no bundle; each machine is of a kind of its own."""
    rows = [] if task in ("about", "measure") else [{"name": task, "accuracy": 0.5, "unprofiled": "for a test"}]
    answer = {"machine": {"fingerprint": machine.name, "niceness": 0}, "said": [], "failures": []}
    return {**answer, "unprofiled": rows, "profiles": []}


@pytest.mark.parametrize("file", RECIPES, ids=lambda file: file.stem)
def test_a_recipe_is_the_same_after_its_way_to_another_machine(file):
    sent = json.dumps(read_recipe(file).document())
    assert json.dumps(Recipe.model_validate(json.loads(sent)).document()) == sent


def test_a_real_ladder_gives_the_same_rows(here, engine, small_corpus_file):
    recipe = written(here, ['name = "floor"\nmethod = "tfidf"'], small_corpus_file.as_posix())
    cluster = engine(lambda machine, task, request: worker.answer(request))
    record = run_recipe(recipe, engine="toy", report_dir=here / "spread")
    again = run_recipe(recipe)

    assert [(row.name, row.form, row.accuracy, row.failure) for row in record.rows] == [
        (row.name, row.form, row.accuracy, row.failure) for row in again.rows
    ]
    assert (record.rows[0].profile, record.rows[0].p50_ms) == (again.rows[0].profile, again.rows[0].p50_ms)
    # Both machines are of one kind: one of them measures.
    assert sorted(task for _, task in cluster.did) == ["about", "about", "floor", "measure"]


def test_rungs_run_side_by_side_after_those_they_build_on(here, engine):
    met = threading.Barrier(2, timeout=20)

    def answer(machine, task, request):
        if task in ("a", "b"):
            met.wait()  # both at the same time, or never
        if task == "both":
            assert request["runs"].keys() == {"a", "b"}
        return {**not_profiled(machine, task, request), "run": f"runs/{task}"}

    rungs = ['name = "a"\nmethod = "tfidf"', 'name = "b"\nmethod = "tfidf"']
    rungs += ['name = "both"\nmethod = "cascade"\nsmall = "a"\nlarge = "b"']
    cluster = engine(answer)
    record = run_recipe(written(here, rungs), engine="toy")
    assert [row.name for row in record.rows] == ["a", "b", "both"]
    assert {name for name, task in cluster.did if task in ("a", "b")} == {"10.0.0.1", "10.0.0.2"}
    # Each kind of machine is measured, after all rungs.
    assert sorted(cluster.did[-2:]) == [("10.0.0.1", "measure"), ("10.0.0.2", "measure")]


def test_another_machine_does_the_work_of_a_lost_one(here, engine):
    def answer(machine, task, request):
        if task == "a":
            if len(cluster.here) == 2:
                cluster.here.remove(machine)
                raise LostError("the process was lost")
            sleep(0.05)
        return not_profiled(machine, task, request)

    cluster = engine(answer)
    ears = Listener()
    record = run_recipe(written(here, ['name = "a"\nmethod = "tfidf"']), engine="toy", progress=ears)
    assert [(row.name, row.failure) for row in record.rows] == [("a", None)]
    assert any("lost" in text and "a" in text for text in ears.said)


def test_a_rung_that_kills_its_process_is_a_row_with_the_reason(here, engine, monkeypatch):
    monkeypatch.setattr(spread, "_GONE_S", 0.1)

    def answer(machine, task, request):
        if task == "large":
            raise LostError("the process on 10.0.0.1 was killed by signal 9 (out of memory?)")
        return not_profiled(machine, task, request)

    engine(answer)
    rungs = ['name = "large"\nmethod = "tfidf"', 'name = "small"\nmethod = "tfidf"']
    record = run_recipe(written(here, rungs), engine="toy")
    failures = {row.name: row.failure for row in record.rows}
    assert failures["small"] is None and "killed by signal 9" in failures["large"]


def test_without_a_machine_left_the_command_says_so(here, engine):
    def answer(machine, task, request):
        cluster.here.remove(machine)
        raise LostError("the process was lost")

    cluster = engine(answer)
    recipe = written(here, ['name = "a"\nmethod = "tfidf"'])
    with pytest.raises(SlmbenchError, match="no machine of the cluster is left"):
        run_recipe(recipe, engine="toy")
    engine(answer, machines=())
    with pytest.raises(SlmbenchError, match="no machine"):
        run_recipe(recipe, engine="toy")


def test_what_stops_one_stops_all(here, engine):
    engine(lambda machine, task, request: worker.answer(request))
    with pytest.raises(SlmbenchError, match=r"no file nowhere\.csv"):
        run_recipe(written(here, ['name = "a"\nmethod = "tfidf"'], "nowhere.csv"), engine="toy")


def test_an_engine_goes_with_a_recipe(here):
    result = CliRunner().invoke(app, ["compare", "--engine", "ray"])
    assert (result.exit_code, result.stdout) == (2, "")
    assert "--recipe" in result.stderr

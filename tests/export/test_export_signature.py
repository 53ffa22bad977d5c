"""Signatures: made with a private key, checked with its public one, and in nobody's way who needs none."""

import json
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from sealing import reseal, spoil
from typer.testing import CliRunner

from slmbench.cascade import CascadeOptions, cascade
from slmbench.cli.app import app
from slmbench.common.errors import SlmbenchError, UsageError
from slmbench.edge import Classifier, runtime
from slmbench.edge.runtime import BundleFiles
from slmbench.evaluation.verify import verify
from slmbench.export import export
from slmbench.export.signing import PASSWORD, sign

pytest.importorskip("cryptography")


def write_pair(folder, name, *, kind="ed25519", password=None):
    """Write a private key and its public one; returns their files."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519
    from cryptography.hazmat.primitives.serialization import (
        BestAvailableEncryption,
        Encoding,
        NoEncryption,
        PrivateFormat,
        PublicFormat,
    )

    key = ed25519.Ed25519PrivateKey.generate() if kind == "ed25519" else ec.generate_private_key(ec.SECP256R1())
    hidden = BestAvailableEncryption(password.encode()) if password else NoEncryption()
    private, public = folder / f"{name}.pem", folder / f"{name}.public.pem"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, hidden))
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return private, public


def run(*words):
    result = CliRunner().invoke(app, [str(word) for word in words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def refusal(result, status):
    """Return the one sentence that a command failed with."""
    errors = [line for line in result.stderr.splitlines() if line.startswith("error:")]
    assert (result.exit_code, len(errors)) == (status, 1), result.stderr
    assert "Traceback" not in result.stderr
    return errors[0]


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """A pair of keys."""
    return write_pair(tmp_path_factory.mktemp("keys"), "author")


@pytest.fixture
def bundle(floor_bundle, tmp_path):
    return shutil.copytree(floor_bundle, tmp_path / "bundle")


@pytest.fixture(scope="module")
def both(floor_bundle, tiny_bundle, tmp_path_factory):
    """A cascade."""
    place = tmp_path_factory.mktemp("cascade") / "both"
    cascade(floor_bundle, tiny_bundle, CascadeOptions(threshold=0.9, large_form="fp32"), output=place)
    return place


def test_a_signed_bundle_is_known_by_its_key(bundle, keys):
    private, public = keys
    assert run("sign", bundle, "--key", private).exit_code == 0
    result = run("verify", bundle, "--public-key", public, "--json")
    assert result.exit_code == 0, result.stderr
    (found,) = json.loads(result.stdout)["verifications"]
    assert (found["damaged"], found["signed_with"]) == ([], str(public))
    assert str(public) in run("verify", bundle, "--public-key", public).stdout
    plain, checked = Classifier(bundle), Classifier(bundle, public_key=public)
    assert checked.predict("a good film") == plain.predict("a good film")


def test_nobody_has_to_look_at_a_signature(bundle, keys):
    sign(bundle, keys[0])
    assert (bundle / "bundle.sig").stat().st_size == 64
    record = verify(bundle)
    assert (record.agrees, record.damaged, record.signed_with) == (True, [], None)
    (bundle / "bundle.sig").write_bytes(b"of somebody else")
    assert verify(bundle).agrees
    Classifier(bundle)


def test_other_tools_check_it_too(bundle, keys):
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    sign(bundle, keys[0])
    words = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", keys[1], "-rawin", "-in", bundle / "bundle.json"]
    done = subprocess.run([*map(str, words), "-sigfile", str(bundle / "bundle.sig")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_bundle_is_signed_when_it_is_exported_and_also_afterwards(floor_run, tmp_path, keys):
    private, public = keys
    words = ("export", floor_run, "--output", tmp_path / "signed")
    assert run(*words, "--sign", private).exit_code == 0
    assert verify(tmp_path / "signed", public_key=public).agrees
    # A finished bundle is signed again, with another key if need be, and is not made again.
    other, its_public = write_pair(tmp_path, "other")
    before = (tmp_path / "signed/bundle.json").read_bytes()
    assert run(*words, "--sign", other).exit_code == 0
    assert (tmp_path / "signed/bundle.json").read_bytes() == before
    BundleFiles.open(tmp_path / "signed", its_public)
    # Without a key it stays as it is; with other options it is another bundle, which nobody has signed.
    export(floor_run, output=tmp_path / "signed")
    BundleFiles.open(tmp_path / "signed", its_public)
    export(floor_run, max_accuracy_drop=0.5, output=tmp_path / "signed")
    assert not (tmp_path / "signed/bundle.sig").exists()


ALTERED = {
    "a label": lambda bundle: reseal(bundle, lambda document: document["labels"].reverse()),
    "a file, and its digest": lambda bundle: (spoil(bundle / "tfidf.json"), reseal(bundle)),
    "a file more": lambda bundle: ((bundle / "more.txt").write_text("x"), reseal(bundle)),
    "a byte of the signature": lambda bundle: spoil(bundle / "bundle.sig"),
    "a byte less": lambda bundle: (bundle / "bundle.sig").write_bytes((bundle / "bundle.sig").read_bytes()[:-1]),
    "a byte more": lambda bundle: (bundle / "bundle.sig").open("ab").write(b"x"),
    "an empty signature": lambda bundle: (bundle / "bundle.sig").write_bytes(b""),
    "a folder": lambda bundle: ((bundle / "bundle.sig").unlink(), (bundle / "bundle.sig").mkdir()),
    "none": lambda bundle: (bundle / "bundle.sig").unlink(),
    "a link to the author's": lambda bundle: (
        (bundle / "bundle.sig").rename(bundle.parent / "theirs"),
        (bundle / "bundle.sig").symlink_to(bundle.parent / "theirs"),
    ),
    "no seal": lambda bundle: (bundle / "bundle.json").open("ab").write(b" "),
}


@pytest.mark.parametrize("what", ALTERED)
def test_what_was_altered_after_it_was_signed(bundle, keys, what):
    sign(bundle, keys[0])
    ALTERED[what](bundle)
    assert str(bundle) in refusal(run("verify", bundle, "--public-key", keys[1]), 1)
    with pytest.raises(SlmbenchError):
        Classifier(bundle, public_key=keys[1])


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes among files")
def test_a_pipe_instead_of_a_signature(bundle, keys):
    os.mkfifo(bundle / "bundle.sig")
    assert "bundle.sig" in refusal(run("verify", bundle, "--public-key", keys[1]), 1)


def test_a_file_that_was_altered_is_found_by_the_digest_that_was_signed(bundle, keys):
    sign(bundle, keys[0])
    spoil(bundle / "tfidf.json")
    assert refusal(run("verify", bundle, "--public-key", keys[1]), 1)
    with pytest.raises(SlmbenchError, match="tfidf.json"):
        Classifier(bundle, public_key=keys[1])


def test_the_key_of_somebody_else(bundle, keys, tmp_path):
    sign(bundle, write_pair(tmp_path, "mallory")[0])
    assert keys[1].name in refusal(run("verify", bundle, "--public-key", keys[1]), 1)


def test_the_signature_of_another_bundle(floor_bundle, tiny_bundle, tmp_path, keys):
    one, other = (shutil.copytree(folder, tmp_path / folder.name) for folder in (floor_bundle, tiny_bundle))
    sign(one, keys[0])
    shutil.copy(one / "bundle.sig", other)
    refusal(run("verify", other, "--public-key", keys[1]), 1)


@pytest.mark.parametrize(
    "content", [None, b"", b"x" * 1000, b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"]
)
@pytest.mark.parametrize("option", ["--public-key", "--key", "--sign"])
def test_what_is_no_key(bundle, floor_run, tmp_path, option, content):
    if content is not None:
        (tmp_path / "key.pem").write_bytes(content)
    words = {"--public-key": ("verify", bundle), "--key": ("sign", bundle), "--sign": ("export", floor_run)}[option]
    assert "key.pem" in refusal(run(*words, option, tmp_path / "key.pem"), 2)
    assert not (bundle / "bundle.sig").exists()


def test_keys_of_another_kind_and_the_other_of_the_pair(bundle, keys, tmp_path):
    private, public = write_pair(tmp_path, "curve", kind="p256")
    for one in (private, keys[1], bundle):
        refusal(run("sign", bundle, "--key", one), 2)
    for one in (public, keys[0], bundle):
        refusal(run("verify", bundle, "--public-key", one), 2)


def test_a_key_with_a_password(bundle, tmp_path, monkeypatch):
    private, public = write_pair(tmp_path, "locked", password="correct horse")
    monkeypatch.delenv(PASSWORD, raising=False)
    assert PASSWORD in refusal(run("sign", bundle, "--key", private), 2)
    monkeypatch.setenv(PASSWORD, "wrong")
    assert PASSWORD in refusal(run("sign", bundle, "--key", private), 2)
    monkeypatch.setenv(PASSWORD, "correct horse")
    assert run("sign", bundle, "--key", private).exit_code == 0
    BundleFiles.open(bundle, public)


def test_a_password_for_a_key_that_has_none(bundle, keys, monkeypatch):
    monkeypatch.setenv(PASSWORD, "of another key")
    assert run("sign", bundle, "--key", keys[0]).exit_code == 0


def test_a_damaged_bundle_is_not_signed(bundle, keys):
    (bundle / "more.txt").write_text("put there by somebody")
    assert "more.txt" in refusal(run("sign", bundle, "--key", keys[0]), 1)
    assert not (bundle / "bundle.sig").exists()


def test_a_folder_of_bundles_is_signed_at_once(floor_bundle, tiny_bundle, tmp_path, keys):
    for folder in (floor_bundle, tiny_bundle):
        shutil.copytree(folder, tmp_path / "exported" / folder.name)
    document = json.loads(run("sign", tmp_path / "exported", "--key", keys[0], "--json").stdout)
    files = [Path(one["file"]) for one in document["signatures"]]
    assert sorted(file.parent.name for file in files) == sorted([floor_bundle.name, tiny_bundle.name])
    assert all(file.stat().st_size == 64 for file in files)


def test_a_cascade_is_signed_with_its_members(both, tmp_path, keys):
    bundle = shutil.copytree(both, tmp_path / "both")
    sign(bundle, keys[0])
    record = verify(bundle, public_key=keys[1])
    assert (record.agrees, record.damaged) == (True, [])
    Classifier(bundle, public_key=keys[1]).predict("a good film")
    # A member that somebody changed and sealed honestly, with a signature of theirs.
    reseal(bundle / "small", lambda document: document["labels"].reverse())
    with pytest.raises(SlmbenchError, match="small"):
        Classifier(bundle, public_key=keys[1]).predict("a good film")
    assert not verify(bundle, public_key=keys[1]).agrees
    reseal(bundle)
    with pytest.raises(SlmbenchError, match="not signed with the key"):
        Classifier(bundle, public_key=keys[1])


def test_signed_bundles_become_members_without_their_signatures(floor_bundle, tiny_bundle, tmp_path, keys):
    small, large = (shutil.copytree(folder, tmp_path / folder.name) for folder in (floor_bundle, tiny_bundle))
    for member in (small, large):
        sign(member, keys[0])
    cascade(small, large, CascadeOptions(threshold=0.9, large_form="fp32"), output=tmp_path / "both")
    assert not list((tmp_path / "both").rglob("bundle.sig"))
    assert verify(tmp_path / "both").agrees


def test_a_pickled_classifier_asks_for_the_same_key(bundle, keys, tmp_path, monkeypatch):
    private, public = keys
    sign(bundle, private)
    shutil.copy(public, tmp_path / "public.pem")
    monkeypatch.chdir(tmp_path)
    sent = pickle.dumps(Classifier("bundle", public_key="public.pem"))
    monkeypatch.chdir("/")
    pickle.loads(sent)
    (bundle / "bundle.sig").unlink()
    with pytest.raises(SlmbenchError, match="not signed"):
        pickle.loads(sent)


@pytest.fixture
def without_cryptography(tmp_path):
    """Run Python where cryptography cannot be imported."""
    hidden = tmp_path / "hidden" / "cryptography"
    hidden.mkdir(parents=True)
    (hidden / "__init__.py").write_text("raise ModuleNotFoundError('cryptography', name='cryptography')")

    def python(code, *words):
        path = os.pathsep.join([str(hidden.parent), *filter(None, [os.environ.get("PYTHONPATH")])])
        command = [sys.executable, "-c", code, *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path})

    return python


def test_without_the_extra(without_cryptography, bundle, keys):
    code = "from slmbench.cli.app import main; main()"
    done = without_cryptography(code, "verify", bundle, "--public-key", keys[1])
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert "cryptography" in done.stderr
    assert without_cryptography(code, "verify", bundle, "--quiet").returncode == 0


def test_the_copied_file_checks_signatures_alone(bundle, keys, tmp_path):
    sign(bundle, keys[0])
    shutil.copy(runtime.__file__, tmp_path / "copied.py")
    code = (
        "import sys; sys.modules['slmbench'] = None; import copied; bundle, key, other = sys.argv[1:];"
        "assert 'cryptography' not in sys.modules; print(copied.Classifier(bundle, public_key=key).form)\n"
        "try:\n    copied.Classifier(bundle, public_key=other)\n"
        "except copied.SlmbenchError as error:\n    print(error)"
    )
    other = write_pair(tmp_path, "other")[1]
    done = subprocess.run(
        [sys.executable, "-c", code, str(bundle), str(keys[1]), str(other)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert first == "fp32"
    assert "not signed with the key" in second


def test_errors_have_their_types(bundle, keys, tmp_path):
    with pytest.raises(UsageError):
        Classifier(bundle, public_key=tmp_path / "nowhere.pem")
    with pytest.raises(SlmbenchError) as raised:
        Classifier(bundle, public_key=keys[1])
    assert not isinstance(raised.value, UsageError)

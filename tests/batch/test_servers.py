"""`batch --servers`: clips made by real servers, some of which are killed, full, stopped, or cannot be used."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from lib_svd.batch import at_server
from lib_svd.batch.servers import Server, read_servers
from lib_svd.client import Refused, Svd
from lib_svd.errors import BadRequest
from lib_svd.jobs import history
from lib_svd.video import read_frames
from tests.conftest import save_picture, snapshot, start

ROOT = Path(__file__).parents[2]
SMALL = ("--steps", 1, "--frames", 3, "--out-dir", "out")


def find_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class Serving:
    """A server as a program of its own, see tests/serving.py."""

    def __init__(self, folder: Path, models: Path, **environment: str) -> None:
        self.folder, self.models = folder, models
        self.port, self.environment = find_port(), environment
        self.address = f"http://127.0.0.1:{self.port}"
        user, _, password = environment.get("SVD_PASSWORD", "").partition(":")
        self.svd = Svd(self.address, user, password)
        self.begin()

    def begin(self) -> None:
        words = [sys.executable, "-W", "ignore", "-m", "tests.serving", self.port, self.models, self.folder]
        own = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1", **self.environment}
        self.program = subprocess.Popen([*map(str, words)], cwd=ROOT, env=own)

    def await_answer(self) -> Serving:
        for _ in range(600):
            try:
                self.svd.jobs()
                return self
            except Refused:
                assert self.program.poll() is None
                time.sleep(0.1)
        raise AssertionError("it does not answer")

    def kill(self) -> None:
        self.program.kill()
        self.program.wait()

    def hang(self) -> None:
        """Let nothing be sampled until `go_on`."""
        (self.folder / "sampling").unlink(missing_ok=True)
        (self.folder / "hang").touch()

    def await_sampling(self) -> None:
        end = time.monotonic() + 60
        while not (self.folder / "sampling").exists():
            assert time.monotonic() < end
            time.sleep(0.02)

    def go_on(self) -> None:
        (self.folder / "hang").unlink(missing_ok=True)

    def count_made(self) -> int:
        return len(list((self.folder / "clips").glob("*.mp4")))


@pytest.fixture(scope="module")
def serving(tmp_path_factory, checkpoint):
    """Start a server."""
    begun: list[Serving] = []

    def begin(**environment: str) -> Serving:
        begun.append(Serving(tmp_path_factory.mktemp("server") / "own", checkpoint.parent, **environment))
        return begun[-1]

    yield begin
    for each in begun:
        each.kill()


@pytest.fixture(scope="module")
def two(serving):
    """Two servers, the second one with a password, and a queue that takes a single clip."""
    servers = [serving(), serving(SVD_PASSWORD="me:pass#word @1", SVD_MOST="1")]
    return [server.await_answer() for server in servers]


@pytest.fixture(scope="module")
def mortal(serving):
    return serving()


@pytest.fixture
def pictures(here):
    (here / "in").mkdir()
    for number in range(6):
        save_picture(here / "in" / f"{number}.png", 150 + number, 100)
    return here / "in"


@pytest.fixture
def listed(here, two, monkeypatch):
    """A file that names both."""
    monkeypatch.setenv("SVD_SECOND", "me:pass#word @1")
    (here / "servers.txt").write_text(f"# ours\n{two[0].address}\n\n{two[1].address}/  SVD_SECOND  # by the window\n")
    return here / "servers.txt"


@pytest.fixture
def run(pictures, checkpoint, lib_svd):
    """A batch of the pictures into `out`, in JSON: what came of it, the outcomes, and the counts."""

    def batch(*words):
        ran = lib_svd("batch", "in", "--checkpoint", checkpoint, *SMALL, *words, "--json")
        *outcomes, end = map(json.loads, ran.out.splitlines())
        return ran, outcomes, end

    return batch


def count_clips(folder: Path) -> Counter[str]:
    return Counter(path.name[0] for path in folder.glob("*.mp4"))


def assert_clean(folder: Path) -> None:
    assert [name for name in snapshot(folder) if Path(name).name.startswith(".")] == []


def test_servers_share_a_batch_and_every_clip_is_as_if_it_were_made_here(run, two, listed, here):
    made = [server.count_made() for server in two]
    ran, outcomes, end = run("--servers", listed)
    assert (ran.code, ran.err, end["counts"]) == (0, "", {"made": 6})
    assert all(server.count_made() > before for server, before in zip(two, made, strict=True))
    assert count_clips(here / "out") == dict.fromkeys("012345", 1)
    assert_clean(here / "out")
    assert "pass" not in json.dumps([outcomes, end])
    assert all(not server.svd.jobs() for server in two)
    assert run()[2]["counts"] == {"there already": 6}
    local, _, _ = run("--out-dir", "local")
    assert local.code == 0
    for path in (here / "out").glob("*.mp4"):
        same = here / "local" / path.name
        assert (read_frames(path)[0] == read_frames(same)[0]).all()
        assert path.with_suffix(".txt").read_bytes() == same.with_suffix(".txt").read_bytes()
        mine, own = history.find_entry(path), history.find_entry(same)
        assert (mine.settings, mine.picture, mine.measures) == (own.settings, own.picture, own.measures)
        assert ([*mine.files], {*mine.series}, {*mine.seconds}) == ([*own.files], {*own.series}, {*own.seconds})
    assert run("--servers", listed)[2]["counts"] == {"there already": 6}


@pytest.fixture
def doomed(mortal, here):
    """A server that samples nothing and may be killed."""
    if mortal.program.poll() is not None:
        shutil.rmtree(mortal.folder, ignore_errors=True)
        mortal.begin()
    mortal.await_answer().hang()
    (here / "servers.txt").write_text(mortal.address)
    return mortal


def test_a_server_that_is_killed_half_way_costs_no_clip_and_one_that_is_slow_holds_up_nothing(
    run, doomed, two, here, monkeypatch
):
    monkeypatch.setattr(at_server, "TOLERANCE", 1.0)
    (here / "servers.txt").write_text(f"{doomed.address}\n{two[0].address}\n")

    def kill_in_the_middle():
        doomed.await_sampling()
        while len(list((here / "out").glob("*.mp4"))) < 4:
            time.sleep(0.02)
        doomed.kill()

    killer = threading.Thread(target=kill_in_the_middle)
    killer.start()
    ran, outcomes, end = run("--servers", "servers.txt")
    killer.join()
    assert (ran.code, end["counts"]) == (0, {"made": 6})
    assert ran.err.count("\n") == 1
    assert f"{doomed.address}/svd/v1 does not answer" in ran.err
    assert sorted(each["picture"] for each in outcomes) == [f"{number}.png" for number in range(6)]
    assert count_clips(here / "out") == dict.fromkeys("012345", 1)
    assert doomed.count_made() == 0
    assert_clean(here / "out")


def test_a_server_that_is_started_again_at_once_goes_on_with_its_clip(run, doomed):
    def start_again():
        doomed.await_sampling()
        doomed.kill()
        doomed.go_on()
        doomed.begin()

    starter = threading.Thread(target=start_again)
    starter.start()
    ran, _, end = run("--servers", "servers.txt")
    starter.join()
    assert (ran.code, ran.err, end["counts"]) == (0, "", {"made": 6})
    assert doomed.count_made() == 6


def test_where_no_server_is_left_the_rest_is_said_to_wait(run, doomed, here, monkeypatch):
    monkeypatch.setattr(at_server, "TOLERANCE", 0.2)
    monkeypatch.setattr("lib_svd.batch.fleet.Fleet.__init__.__defaults__", (0.5,))
    killer = threading.Thread(target=lambda: (doomed.await_sampling(), doomed.kill()))
    killer.start()
    ran = run("--servers", "servers.txt")[0]
    killer.join()
    assert ran.code == 1
    assert "Error: --servers: Nothing is left that makes clips, and 6 are to be made: see to it, and" in ran.err
    assert "Not made yet" in (here / "out" / "report.html").read_text("utf-8")


def test_ctrl_c_cancels_what_servers_make(two, listed, pictures, checkpoint, here):
    for server in two:
        server.hang()
    running = start("batch", "in", "--checkpoint", checkpoint, *SMALL, "--servers", listed, "--json", cwd=here)
    for server in two:
        server.await_sampling()
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=60)
    for server in two:
        end = time.monotonic() + 30
        while any(job.state in ("waiting", "running") for job in server.svd.jobs()):
            assert time.monotonic() < end
            time.sleep(0.1)
        server.go_on()
    assert (running.returncode, err) == (130, "Stopped.\n")
    assert json.loads(out.splitlines()[-1])["counts"] == {"to be made": 6}
    assert_clean(here / "out")


def test_a_folder_that_is_watched_is_shared_out_as_pictures_come(two, listed, pictures, checkpoint, here):
    words = ("batch", "in", "--checkpoint", checkpoint, *SMALL, "--servers", listed, "--watch", "--json")
    running = start(*words, cwd=here)
    outcomes = [json.loads(running.stdout.readline()) for _ in range(6)]
    save_picture(here / "in" / "later.png", 120, 90)
    outcomes.append(json.loads(running.stdout.readline()))
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=60)
    assert {each["state"] for each in outcomes} == {"made"}
    assert outcomes[-1]["picture"] == "later.png"
    assert (running.returncode, err, json.loads(out)["counts"]) == (0, "", {"made": 7})


def test_a_dry_run_asks_no_server(run, here):
    (here / "servers.txt").write_text("http://127.0.0.1:1\n")
    ran, _, end = run("--servers", "servers.txt", "--dry-run")
    assert (ran.code, end["counts"]) == (0, {"to be made": 6})


def test_what_cannot_be_used_is_a_sentence_each_and_nothing_is_begun(run, two, answering, here):
    addresses = [
        "http://127.0.0.1:1",
        two[1].address.replace("//", "//me:wrong-word@"),
        answering(404, b'{"detail": "Not Found"}'),
        answering(200, b"<html>"),
        answering(200, b"[1]"),
        answering(200, b'[{"mark": "0123456789"}]'),
    ]
    (here / "servers.txt").write_text("\n".join(addresses))
    ran = run("--servers", "servers.txt")[0]
    assert ran.code == 2
    first, *told = ran.err.splitlines()
    assert first == "Error: None of the --servers can make clips."
    shown = [address.replace("me:wrong-word@", "") for address in addresses]
    assert told == [
        f"{shown[0]}/svd/v1 does not answer (<urlopen error [Errno 111] Connection refused>): is it running, and is "
        "the address right?",
        f"{shown[1]} does not let us in (Name and password are wrong, or not given): write name and password, or the "
        "variable that holds them, into the list of servers.",
        f"{shown[2]} does not have this version of /svd/v1: install this extension there or update it, or correct the "
        "address.",
        f"{shown[3]}/svd/v1 gave no answer that can be read (Expecting value: line 1 column 1 (char 0)): is it the "
        "right address?",
        f"{shown[4]} is another program: give the address of one with this extension.",
        f"{shown[5]} has none of the models that clips are to be made with: put the very file there.",
    ]
    assert not list((here / "out").glob("*.mp4"))


@pytest.mark.parametrize(
    ("line", "server"),
    [
        ("http://127.0.0.1:7870", Server(address="http://127.0.0.1:7870")),
        ("https://gpu.example.org/svd/ # fast", Server(address="https://gpu.example.org/svd")),
        ("http://me:a%23b@gpu:80", Server(address="http://gpu:80", user="me", password="a#b")),
        ("http://[::1]:7870 LOGIN", Server(address="http://[::1]:7870", user="you", password="se:cret word")),
    ],
)
def test_a_line_is_an_address_and_how_to_come_in(line, server, tmp_path):
    (tmp_path / "servers.txt").write_text(f"\ufeff# ours\n\n{line}\n")
    found = read_servers(tmp_path / "servers.txt", {"LOGIN": "you:se:cret word"})
    assert found == [server]
    assert server.password not in repr(found) or not server.password


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "names no server: write one address a line"),
        ("# none", "names no server"),
        ("http://a\nsecret@gpu", "servers.txt, line 2: this is no server: write an address such as"),
        ("ftp://secret@gpu", "line 1: this is no server"),
        ("http://me:secret@gpu:x", "line 1: this is no server"),
        ("http://gpu?secret", "line 1: this is no server"),
        ("http://gpu LOGIN secret", "line 1: this is no server"),
        ("http://gpu secret", "line 1: the environment has no variable of that name"),
        ("http://secret@gpu", "line 1: name and password belong together"),
        ("http://gpu EMPTY", "line 1: name and password belong together"),
        ("http://gpu\nhttp://me:secret@gpu/", "line 2: http://gpu is there twice: take one out."),
    ],
)
def test_a_list_that_is_wrong_is_a_sentence_without_what_may_be_a_password(text, said, tmp_path):
    (tmp_path / "servers.txt").write_text(text)
    with pytest.raises(BadRequest) as refused:
        read_servers(tmp_path / "servers.txt", {"EMPTY": ""})
    assert said in str(refused.value)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--servers", "none.txt"], "none.txt cannot be read as a list of servers (No such file or directory)"),
        (["--servers", "s", "--also", "gif", "--device", "cpu"], "leave --device and --also out"),
        (["--servers", "s", "--compile"], "leave --compile out"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(words, said, pictures, checkpoint, lib_svd, here):
    (here / "s").write_text("http://127.0.0.1:1")
    before = snapshot(here)
    ran = lib_svd("batch", "in", "--checkpoint", checkpoint, *words, "--out-dir", "out")
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err
    assert snapshot(here) == before

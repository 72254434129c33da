"""`cordboard check` says everything that is wrong at once, `cordboard serve` the first thing that
keeps it from starting; each in one line, without a traceback."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from idle_port import idle_port
from speaking import install
from typed import Said, typed

from cordboard import checks, cli
from cordboard.crm_core.migrations import upgrade
from cordboard.sandbox.pbx import SandboxPbx
from cordboard.sandbox.tether import tethered

RULES = """\
default_queue = "support"

[[rule]]
name = "by language"
action = "queue"
queue = "support-{language}"
"""


def cordboard(*words: str | Path, **environment: str) -> Said:
    """Runs the command to its end, as a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "cordboard", *words],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **environment},
    )
    assert "Traceback" not in done.stderr
    return Said(done.returncode, done.stdout, done.stderr.splitlines())


class Place:
    """A folder with all that a configuration points at, in good order."""

    def __init__(self, folder: Path, ami: dict[str, Any]) -> None:
        self.folder = folder
        self.config = folder / "cordboard.toml"
        self.rules = folder / "routing.toml"
        self.secret = folder / "ami.secret"
        self.ami = ami
        self.http = idle_port()
        self.agi = idle_port()
        self.rules.write_text(RULES)
        self.secret.write_text(ami["secret"] + "\n")
        self.write()
        asyncio.run(upgrade(f"sqlite:///{folder}/cordboard.db"))

    def pbx(self, **changed: object) -> str:
        keys = {key: self.ami[key] for key in ("host", "port", "user")}
        keys |= {"secret_file": "ami.secret", **changed}
        return "[[pbx]]\n" + "".join(f"{key} = {_toml(keys[key])}\n" for key in keys)

    def write(self, pbx: str | None = None, database: str = "cordboard.db", more: str = "") -> None:
        self.config.write_text(
            (self.pbx() if pbx is None else pbx)
            + f'[agi]\nlisten = "127.0.0.1:{self.agi}"\n'
            + ("" if "[http]" in more else f'[http]\nlisten = "127.0.0.1:{self.http}"\n')
            + f'[database]\nurl = "sqlite:///{database}"\n'
            + '[routing]\npath = "routing.toml"\n'
            + more
        )

    def check(self, **environment: str) -> Said:
        said = typed("check", "--config", self.config, **environment)
        assert said.code == (1 if said.lines else 0)
        return said


def _toml(value: object) -> str:
    return str(value) if isinstance(value, int) else f'"{value}"'


@pytest.fixture(autouse=True)
def speaker(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that can speak, whether or not this one can."""
    folder = tmp_path_factory.mktemp("bin")
    install(folder, "espeak-ng")
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


@pytest.fixture
def place(tmp_path: Path, sandbox: dict[str, Any]) -> Place:
    """In good order beside the real Asterisk."""
    return Place(tmp_path, sandbox["ami"])


@pytest.fixture
def alone(tmp_path: Path) -> Place:
    """In good order, but for a PBX that does not run."""
    ami = {"host": "127.0.0.1", "port": idle_port(), "user": "cordboard", "secret": "x"}
    return Place(tmp_path, ami)


needs_pbx = pytest.mark.pbx


# -- check


@needs_pbx
def test_all_is_well(place: Place) -> None:
    said = place.check()
    assert (said.code, said.lines) == (0, [])
    well, remark = said.out.splitlines()
    assert well == "All is well."
    assert "no voice for bg" in remark


@needs_pbx
def test_everything_the_configuration_points_at_is_told_in_one_run(place: Place) -> None:
    """Three PBXs each wrong in its own way beside one that is right, files, database, rules."""
    (place.folder / "empty").touch()
    (place.folder / "wrong").write_text("wrong\n")
    down = idle_port()
    place.write(
        place.pbx(name="good")
        + place.pbx(name="mislaid", secret_file="mislaid")
        + place.pbx(name="blank", secret_file="empty")
        + place.pbx(name="changed", secret_file="wrong")
        + place.pbx(name="down", port=down),
        database="not/there/yet.db",
        more=f'[http]\nlisten = "0.0.0.0:{place.http}"\ncertificate = "c.pem"\nkey = "k.pem"\n'
        '[scripts]\npath = "scripts"\n[recorder]\npath = "empty/flight"\n',
    )
    place.rules.write_text(
        'default_queue = "nowhere"\n'
        '[[rule]]\nname = "first"\nwhen = { status = ["vipp"], language = ["fr"] }\n'
        'action = "queue"\nqueue = "sales-{language}"\n'
        '[[rule]]\nname = "all"\naction = "queue"\n'
        '[[rule]]\nname = "last"\naction = "queue"\n'
    )
    said = place.check()
    at = f"{place.ami['host']}:{place.ami['port']}"
    assert said.out == ""
    assert sorted(line.replace(f"{place.folder}/", "") for line in said.lines) == sorted(
        [
            "[http] certificate c.pem: no such file or folder; name one that is there",
            "[http] key k.pem: no such file or folder; name one that is there",
            "[scripts] path scripts: No such file or directory; name the folder with your scripts",
            "[recorder] path empty/flight: empty is no folder that this user may write to;"
            " name one, or turn the recorder off with minutes = 0",
            "[database]: the tables are missing or of an older release; run: cordboard db upgrade",
            "[[pbx]] mislaid: secret_file mislaid: No such file or directory;"
            " put the AMI account's secret there, one line",
            "[[pbx]] blank: secret_file empty is empty",
            f"[[pbx]] changed ({at}): login as cordboard: Authentication failed;"
            " compare user and secret_file with the account in manager.conf",
            f"[[pbx]] down (127.0.0.1:{down}): [Errno 111] Connect call failed"
            f" ('127.0.0.1', {down}); is Asterisk running, and enabled=yes in manager.conf?",
            "routing.toml:4: rule 'first': unknown status 'vipp';"
            " the CRM has new, regular, vip, debtor, blocked",
            "routing.toml:4: rule 'first': unknown language 'fr'; there are ru, bg, en",
            "routing.toml:10: rule 'last' is never reached: 'all' always holds",
            "routing.toml:1: queue 'nowhere' is on no PBX; add it to queues.conf",
            "routing.toml:6: queue 'sales-ru' is on no PBX; add it to queues.conf",
            "routing.toml:6: queue 'sales-bg' is on no PBX; add it to queues.conf",
            "routing.toml:6: queue 'sales-en' is on no PBX; add it to queues.conf",
        ]
    )


@needs_pbx
def test_mailboxes_and_scripts_that_no_pbx_has_are_told(place: Place) -> None:
    rules = """
[[rule]]
name = "{0}"
when = {{ dialled = ["{0}"] }}
action = "{1}"
to = "{2}"
"""
    named = [("1", "voicemail", "support"), ("2", "script", "sample-menu")]
    absent = [("3", "voicemail", "nobodys"), ("4", "script", "no-menu")]
    text = "".join(rules.format(*each) for each in named + absent)
    late = 'name = "late"\naction = "queue"\noverflow = { after = 60, voicemail = "gone" }\n'
    place.rules.write_text(f'default_queue = "support"\n{text}\n[[rule]]\n{late}')
    said = place.check()
    assert said.code == 1
    faults = [line.partition("routing.toml:")[2] for line in said.lines]
    found = [(line.partition(":")[0], line.partition("there is ")[2]) for line in faults]
    assert [(number, words.partition(";")[0]) for number, words in found] == [
        ("19", "no mailbox 'nobodys'"),
        ("25", "no script 'no-menu'"),
        ("30", "no mailbox 'gone'"),
    ]


@needs_pbx
def test_a_dialplan_of_an_older_release_is_told(place: Place, pbx: SandboxPbx) -> None:
    """Announcements and callbacks would fail one by one, when somebody waits for them."""
    offer = '[[rule]]\nname = "any"\naction = "queue"\ncallback = { after = 60 }\n'
    place.rules.write_text(f'default_queue = "support"\n{offer}')
    assert place.check().code == 0
    for context in ("cordboard-announce", "cordboard-callback"):
        pbx.cli(f"dialplan remove context {context}")
    try:
        said = place.check()
    finally:
        pbx.cli("dialplan reload")
    assert [line.partition(":")[0] for line in said.lines] == [
        "the dialplan has no cordboard-announce, extension say",
        "the dialplan has no cordboard-callback, extension wait",
    ]


@needs_pbx
def test_an_account_of_another_name_is_told_as_a_wrong_password_is(place: Place) -> None:
    place.write(place.pbx(user="nobody"))
    line = place.check().only()
    assert "login as nobody: Authentication failed; compare user and secret_file" in line


@needs_pbx
def test_a_member_who_looks_free_while_he_talks_is_told(place: Place, pbx: SandboxPbx) -> None:
    good, bad = "Local/1007@cordboard-phones", "Local/1008@cordboard-phones"
    pbx.cli(f"queue add member {good} to support-en penalty 0 as Good state_interface PJSIP/1007")
    pbx.cli(f"queue add member {bad} to support-en")
    try:
        line = place.check().only()
    finally:
        for member in (good, bad):
            pbx.cli(f"queue remove member {member} from support-en")
    assert f"queue support-en: member {bad} looks free while he talks" in line


@needs_pbx
def test_an_account_that_may_too_little_or_too_much_is_told(
    place: Place, sandbox: dict[str, Any]
) -> None:
    """The sandbox's second account has no filters, and otherwise the same rights."""
    raw = sandbox["ami_raw"]
    place.secret.write_text(raw["secret"])
    place.write(place.pbx(user=raw["user"]))
    assert place.check().code == 0
    conf = Path(sandbox["config"]).parent / "etc" / "manager.conf"
    before = conf.read_text()
    wrong = "[weak]\nsecret = weak\nread = system\nwrite = command\n"
    try:
        conf.write_text(before + wrong)
        _reload_manager(sandbox)
        place.secret.write_text("weak")
        place.write(place.pbx(user="weak"))
        said = place.check()
    finally:
        conf.write_text(before)
        _reload_manager(sandbox)
    words = "\n".join(said.lines)
    assert "the account may not use Hangup: it needs write=call" in words
    assert "the account may not use QueuePause: it needs write=agent" in words
    assert "the account may run any command (write=command or system)" in words


def _reload_manager(sandbox: dict[str, Any]) -> None:
    from pbx_fixtures import shared_pbx

    assert sandbox["pid"] == shared_pbx().pid()
    shared_pbx().cli("manager reload")


def test_a_pbx_that_is_down_hides_no_other_fault_and_raises_no_false_one(alone: Place) -> None:
    """Which queues there are is not known then."""
    assert "is Asterisk running, and enabled=yes in manager.conf?" in alone.check().only()
    alone.rules.write_text(RULES + "\n[[rule]]\nname = 'never'\naction = 'queue'\n")
    _, rule = alone.check().lines
    line = RULES.count("\n") + 2
    assert (
        rule == f"{alone.rules}:{line}: rule 'never' is never reached: 'by language' always holds"
    )


@pytest.fixture
def listener() -> Iterator[Callable[[bytes], int]]:
    """A port that greets as something other than Asterisk."""
    processes: list[subprocess.Popen[str]] = []

    def listen(greeting: bytes) -> int:
        code = (
            "import socket, sys\n"
            "door = socket.create_server(('127.0.0.1', 0))\n"
            "print(door.getsockname()[1], flush=True)\n"
            "while True:\n"
            "    guest = door.accept()[0]\n"
            f"    guest.sendall({greeting!r})\n"
            "    guest.recv(1)\n"
        )
        process = subprocess.Popen(
            tethered([sys.executable, "-c", code]), stdout=subprocess.PIPE, text=True
        )
        processes.append(process)
        assert process.stdout
        return int(process.stdout.readline())

    yield listen
    for process in processes:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("greeting", "told"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "no Asterisk Call Manager greeting: is this the AMI port?"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "no Asterisk Call Manager greeting"),
        (b"\x15\x03\x01\x00\x02\x02\x46" + b"\n", "no Asterisk Call Manager greeting"),
        (b"", "no answer; is Asterisk running"),
    ],
    ids=["ssh", "http", "tls", "silent"],
)
def test_a_port_that_is_no_ami_is_told(
    alone: Place, listener: Callable[[bytes], int], greeting: bytes, told: str
) -> None:
    alone.write(alone.pbx(port=listener(greeting)))
    assert told in alone.check().only()


def test_faults_of_the_file_itself_are_told_with_their_lines(alone: Place) -> None:
    alone.config.write_text(
        "[[pbx]]\nprot = 5038\n\n"
        '[http]\nlisten = "0.0.0.0:8088"\n\n'
        '[desk]\nwrapup_seconds = "long"\n\n'
        "[colour]\n"
    )
    said = alone.check()
    assert [line.removeprefix(f"{alone.config}:").split(";")[0] for line in said.lines] == [
        "1: pbx.0.secret_file: this key is needed",
        "2: pbx.0.prot: no such key",
        "4: http: listen = 0.0.0.0:8088 can be reached from outside: give certificate and key,"
        " or trusted_proxies where a proxy speaks TLS for us, or listen on 127.0.0.1",
        "8: desk.wrapup_seconds: write a number, without quotes",
        "10: colour: no such key",
    ]


def test_faults_of_the_rule_file_are_told_with_their_lines(alone: Place) -> None:
    alone.write("")
    alone.rules.write_text(
        'default_queue = "support"\ndefault_langage = "en"\n\n'
        '[[rule]]\nname = "a"\nwhen = { status = "vip" }\naction = "quue"\n\n'
        '[[rule]]\naction = "queue"\npriority = "much"\n'
    )
    said = alone.check()
    told = [line.removeprefix(f"{alone.rules}:") for line in said.lines[:-1]]
    assert told == [
        "2: default_langage: no such key; take it out or mend its spelling",
        '6: rule.0.when.status: write a list, such as ["a", "b"]',
        "7: rule.0.action: must be 'queue', 'number', 'message', 'voicemail' or 'script'",
        "9: rule.1.name: this key is needed; add it",
        "11: rule.1.priority: write a whole number, without quotes",
    ]
    assert said.lines[-1] == "[[pbx]]: none is configured; name the Asterisk to connect to"


def test_a_rule_file_that_is_missing_or_no_toml_is_one_line(alone: Place) -> None:
    alone.rules.write_text("default_queue = \n")
    assert alone.check().lines[-1].startswith(f"{alone.rules}:1: Invalid value (at line 1")
    alone.rules.unlink()
    assert alone.check().lines[-1] == f"[routing] path {alone.rules}: No such file or directory"


def test_a_reason_in_a_language_that_no_console_has_is_told(alone: Place) -> None:
    alone.rules.write_text(
        RULES + '\n[[rule]]\nname = "de"\naction = "queue"\nwhy = { de = "so" }\n'
    )
    told = "rule 'de': why: 'de': no console speaks it; there are en, ru, bg"
    assert any(line.endswith(told) for line in alone.check().lines)


def test_a_rule_file_beyond_all_measure_is_not_read(alone: Place) -> None:
    alone.rules.write_text("#" * 4_000_001)
    told = f"{alone.rules}: has 4000001 bytes, a rule file 4000000 at most"
    assert alone.check().lines[-1] == told


def test_a_spool_that_cannot_be_is_one_line(alone: Place) -> None:
    (alone.folder / "file").touch()
    alone.write(database="file/cordboard.db")
    fault = next(line for line in alone.check().lines if "[spool]" in line)
    where = f"[spool] path {alone.folder}/file/cordboard.spool"
    assert fault == f"{where}: cannot be written; name a file that the server may write"


def test_a_database_that_cannot_be_is_one_line(alone: Place) -> None:
    (alone.folder / "file").touch()
    alone.write(database="file/cordboard.db")
    fault = next(line for line in alone.check().lines if "[database]" in line)
    assert fault == f"[database] url: cannot make {alone.folder}/file: File exists"


def test_a_key_that_the_environment_spoils_is_told_under_its_name(alone: Place) -> None:
    spoilt = {"CORDBOARD_AGI__LISTEN": "here"}
    said = cordboard("check", "--config", alone.config, **spoilt)
    assert said == alone.check(**spoilt)
    assert said.only().startswith("CORDBOARD_AGI__LISTEN in the environment: ")


# -- serve


def serve(place: Place, **environment: str) -> Said:
    return cordboard("serve", "--config", place.config, "--log", "json", **environment)


def test_serve_refuses_a_bad_configuration_in_its_own_words(alone: Place) -> None:
    alone.config.write_text('[http]\nlisten = "0.0.0.0:8088"\n')
    said = serve(alone)
    assert said.code == 1
    assert said.only().startswith(f"cordboard: {alone.config}:1: http: listen = 0.0.0.0:8088 can")


def _no_pbx(place: Place) -> str:
    place.write("")
    return "no [[pbx]] in the configuration: name the Asterisk to connect to"


def _no_secret(place: Place) -> str:
    place.secret.unlink()
    return (
        f"[[pbx]] pbx: secret_file {place.secret}: No such file or directory;"
        " put the AMI account's secret there, one line"
    )


def _no_tables(place: Place) -> str:
    place.write(database="other.db")
    return "[database]: the tables are missing or of an older release; run: cordboard db upgrade"


def _bad_rules(place: Place) -> str:
    place.rules.write_text("[[rule]]\n")
    return f"{place.rules}:1: default_queue: this key is needed; add it"


def _no_certificate(place: Place) -> str:
    place.write(more='[http]\ncertificate = "c.pem"\nkey = "k.pem"\n')
    return f"[http] certificate {place.folder}/c.pem: [Errno 2] No such file or directory"


@pytest.mark.parametrize(
    "spoil",
    [_no_pbx, _no_secret, _no_tables, _bad_rules, _no_certificate],
    ids=lambda f: f.__name__,
)
def test_serve_says_what_keeps_it_from_starting(
    alone: Place, spoil: Callable[[Place], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "log_to_stderr", lambda **how: None)  # this process has its own log
    told = spoil(alone)
    said = typed("serve", "--config", alone.config)
    assert said.code == 1
    assert f"cordboard: {told}" in said.lines


@pytest.mark.parametrize("door", ["http", "agi"])
def test_serve_says_which_port_is_taken(alone: Place, door: str) -> None:
    with socket.create_server(("127.0.0.1", getattr(alone, door))) as taken:
        said = serve(alone)
        address = f"127.0.0.1:{taken.getsockname()[1]}"
    assert said.code == 1
    line = said.only()
    assert line.startswith(f"cordboard: [{door}] listen {address}: ")
    assert line.endswith("address already in use")


@needs_pbx
def test_serve_listens_where_the_environment_says_and_stops_at_sigterm(place: Place) -> None:
    port = idle_port()
    command = [sys.executable, "-m", "cordboard", "serve", "--config", str(place.config)]
    log = place.folder / "log"
    with log.open("wb") as out:
        server = subprocess.Popen(
            tethered(command),
            stderr=out,
            env={**os.environ, "CORDBOARD_HTTP__LISTEN": f"127.0.0.1:{port}"},
        )
    try:
        assert _ready(port, server), log.read_text()
        with socket.socket() as other:
            assert other.connect_ex(("127.0.0.1", place.http)) != 0
        server.send_signal(signal.SIGTERM)
        assert server.wait(60) == 0
    finally:
        server.kill()
        server.wait()
    assert "Traceback" not in log.read_text()


def _ready(port: int, server: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5):
                return True
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.05)
    return False


def test_a_voice_that_is_named_must_speak_and_prompts_must_have_a_place(alone: Place) -> None:
    (alone.folder / "blank").touch()
    more = '[prompts]\nvoices = { bg = "piper:/srv/bg.onnx" }\npath = "blank/prompts"\n'
    alone.write(more=more)
    lines = alone.check(PATH="/nowhere").lines
    told = [line for line in lines if line.startswith("[prompts]")]
    assert told == [
        '[prompts] voices: bg = "piper:/srv/bg.onnx": no voice for bg: install piper-tts',
        f"[prompts] path {alone.folder}/blank/prompts: {alone.folder}/blank is no folder that this"
        " user may write to; name one",
    ]


def test_a_pbx_on_another_machine_is_told_to_need_the_address_of_prompts(alone: Place) -> None:
    alone.write(alone.pbx(host="192.0.2.7"))
    (note,) = [note for note in asyncio.run(checks.remarks(alone.config)) if "prompts" in note]
    assert note.startswith("Note: the PBX at 192.0.2.7 is told where prompts lie on this machine")
    alone.write(alone.pbx(host="192.0.2.7"), more='[prompts]\nurl = "https://desk/prompts"\n')
    assert not [note for note in asyncio.run(checks.remarks(alone.config)) if "prompts" in note]


def test_what_a_script_says_and_nobody_would_hear_is_told(alone: Place) -> None:
    (alone.folder / "scripts").mkdir()
    (alone.folder / "scripts/bye.yaml").write_text(
        "version: 1\nname: bye\nlanguages: [bg]\nsteps:\n"
        "  - say: Довиждане\n  - say: {sound: goodby}\n  - hangup:\n",
        encoding="utf-8",
    )
    alone.write(more='[scripts]\npath = "scripts"\n')
    told = [line for line in alone.check(PATH="/nowhere").lines if "bye.yaml" in line]
    assert told[0].endswith("bye.yaml:5: no voice for bg: install espeak-ng, or give a sound file")
    assert "bye.yaml:6: no sound goodby in " in told[1]
    assert "did you mean goodbye?" in told[1]
    assert len(told) == 2

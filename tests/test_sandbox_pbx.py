"""The sandbox as a process and a folder."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pbx_fixtures import free_members, run_afresh
from typer.testing import CliRunner

from cordboard.errors import UserError
from cordboard.sandbox.commands import pbx_app
from cordboard.sandbox.packages import tools
from cordboard.sandbox.pbx import SandboxPbx
from cordboard.sandbox.ports import LOOPBACK, Ports, claim, free
from cordboard.sandbox.sip import Phones, PhoneSpec
from cordboard.sandbox.tether import tethered

pytestmark = [pytest.mark.pbx]


@pytest.fixture
def own(tmp_path: Path) -> Iterator[SandboxPbx]:
    pbx = SandboxPbx(tmp_path / "pbx")
    yield pbx
    pbx.kill()
    pbx.down()


def wait_gone(pid: int, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]
        except FileNotFoundError:
            return
        if state == "Z":
            return
        time.sleep(0.02)
    raise AssertionError(f"{pid} is still there")


def test_the_next_test_finds_no_phone_that_a_killed_pbx_remembers(own: SandboxPbx) -> None:
    """A queue would ring it, fifteen seconds for each caller."""
    own.start(die_with_parent=True)
    phone = own.status()["phones"][0]["user"]

    async def registered_for_good() -> None:
        async with Phones(own.status(), [PhoneSpec(phone)]) as phones:
            async with asyncio.timeout(30):
                while phone not in own.cli("database show registrar"):
                    await asyncio.sleep(0.1)
                database = own.directory / "state/db/astdb.sqlite3"
                while b"registrar/contact" not in database.read_bytes():
                    await asyncio.sleep(0.1)
            await phones.kill()
            own.kill()

    asyncio.run(registered_for_good())
    run_afresh(own)
    assert f"Contact:  {phone}/" not in own.cli("pjsip show contacts")


def test_the_next_test_finds_the_members_of_queues_conf_and_nobody_paused(own: SandboxPbx) -> None:
    own.start(die_with_parent=True)
    before = re.sub(r"\d+ secs? ago", "", own.cli("queue show"))
    own.cli("queue add member PJSIP/1007 to support-en penalty 2 as Vera")
    own.cli("queue add member Local/1008@cordboard-phones to support")
    own.cli("queue pause member PJSIP/1005 queue support-en reason wrap-up")
    own.cli("queue pause member PJSIP/1001")
    free_members(own)
    assert re.sub(r"\d+ secs? ago", "", own.cli("queue show")) == before


def test_up_status_down(own: SandboxPbx) -> None:
    assert own.status()["running"] is False
    assert own.up() is True
    assert own.up() is False
    status = own.status()
    assert status["running"] is True
    assert json.loads(json.dumps(status)) == status
    assert int(status["version"].split(".")[0]) >= 20
    with socket.create_connection((status["ami"]["host"], status["ami"]["port"])) as link:
        assert link.recv(100).startswith(b"Asterisk Call Manager/")
    assert not free(status["sip"]["port"], socket.SOCK_DGRAM)
    assert Path(status["queue_log"]).is_file()
    assert subprocess.run([*shlex.split(status["sipp"]), "-v"], capture_output=True).returncode in {
        0,
        99,
    }
    assert "Asterisk" in own.cli("core show version")
    pid = own.pid()
    assert pid is not None
    began = time.monotonic()
    assert own.down() is True
    assert time.monotonic() - began < 20
    wait_gone(pid)
    assert own.down() is False
    assert own.status()["running"] is False
    with pytest.raises(UserError, match="cordboard pbx up"):
        own.cli("core show version")


def test_what_it_writes(own: SandboxPbx) -> None:
    own.up()
    status = own.status()
    settings = tomllib.loads((own.directory / "cordboard.toml").read_text())
    (pbx,) = settings["pbx"]
    assert pbx == {
        "name": "sandbox",
        "host": status["ami"]["host"],
        "port": status["ami"]["port"],
        "user": status["ami"]["user"],
        "secret_file": "ami.secret",
    }
    assert settings["agi"]["listen"] == f"{status['agi']['host']}:{status['agi']['port']}"
    secret = own.directory / "ami.secret"
    assert secret.read_text().strip() == status["ami"]["secret"]
    assert secret.stat().st_mode & 0o777 == 0o600
    assert own.directory.stat().st_mode & 0o777 == 0o700
    for path in (own.directory / "etc").iterdir():
        assert path.stat().st_mode & 0o077 == 0, path


def test_all_listens_are_on_loopback(own: SandboxPbx) -> None:
    own.up()
    listening = set()
    for table in ("tcp", "tcp6", "udp", "udp6"):
        lines = Path(f"/proc/net/{table}").read_text().splitlines()[1:]
        for fields in (line.split() for line in lines):
            address, port = fields[1].split(":")
            # PJSIP's DNS resolver keeps a UDP socket for answers, on a port of the kernel's choice.
            if fields[3] == "0A" or (table.startswith("udp") and int(port, 16) < 32768):
                listening.add((fields[9], address))
    ours = {
        os.readlink(link)[8:-1]
        for link in Path(f"/proc/{own.pid()}/fd").iterdir()
        if os.readlink(link).startswith("socket:[")
    }
    addresses = {address for inode, address in listening if inode in ours}
    assert addresses == {"0100007F"}


def test_asterisk_loads_without_complaint(own: SandboxPbx) -> None:
    """Missing modules, applications or files would show here, and spoil the log for a person."""
    own.up()
    wrong = [
        line
        for line in (own.directory / "log/messages").read_text().splitlines()
        if " WARNING[" in line or " ERROR[" in line
        # Asterisk's own habit, told on a busy machine: it loads a module of SIP while SIP runs.
        if "PJSIP_SAFE_MODULE" not in line
    ]
    assert wrong == []
    used = set(re.findall(r" \d+\. (\w+)\(", own.cli("dialplan show")))
    known = own.cli("core show applications")
    assert {"Queue", "AGI", "Dial"} <= used
    assert {name for name in used if f" {name}:" not in known} == set()


def test_secrets_and_ports_stay_over_a_restart_and_differ_between_folders(
    own: SandboxPbx, tmp_path: Path
) -> None:
    own.up()
    first = own.status()
    own.down()
    own.up()
    assert {**own.status(), "pid": 0} == {**first, "pid": 0}
    other = SandboxPbx(tmp_path / "other")
    try:
        other.up()
        second = other.status()
        assert second["ami"]["port"] != first["ami"]["port"]
        assert second["ami"]["secret"] != first["ami"]["secret"]
    finally:
        other.down()


def test_crash_and_start_again(own: SandboxPbx) -> None:
    own.up()
    for _ in range(3):
        before, after = crashed(own)
        if not free(before["sip"]["port"], socket.SOCK_DGRAM) and before["sip"] != after["sip"]:
            continue  # another sandbox was quicker: from the new ports once more
        break
    assert {**after, "pid": 0} == {**before, "pid": 0}  # cordboard finds it where it was


def crashed(own: SandboxPbx) -> tuple[dict[str, Any], dict[str, Any]]:
    """Its status before a crash, and when it was started again; others wait for it meanwhile."""
    before = own.status()
    with (
        socket.create_server((LOOPBACK, before["agi"]["port"])),
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mobile,
    ):
        mobile.bind((LOOPBACK, before["mobile"]["port"]))
        own.kill()
        assert own.pid() is None
        assert own.status()["running"] is False
        assert own.up() is True
    after = own.status()
    assert after["pid"] != before["pid"]
    return before, after


def test_another_process_sees_and_stops_it(own: SandboxPbx) -> None:
    own.up()
    again = SandboxPbx(own.directory)
    assert again.pid() == own.pid()
    assert again.up() is False
    assert again.down() is True
    assert own.pid() is None


def test_who_is_killed_by_another_process_holds_no_port_afterwards(own: SandboxPbx) -> None:
    own.up()
    ports = own.status()
    SandboxPbx(own.directory).kill()
    assert free(ports["sip"]["port"], socket.SOCK_DGRAM)
    assert free(ports["ami"]["port"], socket.SOCK_STREAM)


def test_down_ends_one_that_does_not_listen_any_more(own: SandboxPbx) -> None:
    own.up()
    own.freeze()
    assert own.down() is True
    assert own.pid() is None


def test_folder_too_deep_for_a_control_socket(tmp_path: Path) -> None:
    pbx = SandboxPbx(tmp_path / ("deep" * 30))
    try:
        pbx.up()
        assert "Asterisk" in pbx.cli("core show version")
        short = (pbx.directory / "run").resolve()
    finally:
        pbx.down()
    assert not short.exists()


def test_stale_pid_file_of_somebody_else(own: SandboxPbx) -> None:
    own.up()
    own.kill()
    (own.directory / "run/asterisk.pid").write_text(f"{os.getpid()}\n")
    assert own.pid() is None
    assert own.up() is True


def test_broken_folder_is_told(own: SandboxPbx) -> None:
    own.directory.mkdir()
    (own.directory / "sandbox.json").write_text("{")
    with pytest.raises(UserError, match=r"sandbox\.json"):
        own.status()
    (own.directory / "sandbox.json").unlink()


@pytest.mark.parametrize("tied", [True, False])
def test_dies_with_its_parent_only_when_asked(own: SandboxPbx, tied: bool) -> None:
    code = f"""if True:
        import signal, sys
        from pathlib import Path
        from cordboard.sandbox.pbx import SandboxPbx
        SandboxPbx(Path({str(own.directory)!r})).start(die_with_parent={tied})
        print("ready", flush=True)
        signal.pause()
    """
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"ready\n"
        pid = own.pid()
        assert pid is not None
        parent.send_signal(signal.SIGKILL)
    if tied:
        wait_gone(pid)
    else:
        time.sleep(0.3)
        assert own.pid() == pid


def test_tether_is_tied_to_the_thread_that_started_it() -> None:
    started: list[subprocess.Popen[bytes]] = []

    def start() -> None:
        started.append(subprocess.Popen(tethered(["sleep", "60"])))
        time.sleep(0.5)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert started[0].wait(30) == -signal.SIGKILL
    ours = subprocess.Popen(tethered(["sleep", "60"]))
    time.sleep(0.3)
    assert ours.poll() is None
    ours.kill()
    ours.wait()


def test_two_claims_never_share_a_block() -> None:
    with claim(None) as first, claim(first.base) as second, claim(None) as third:
        assert len({first.base, second.base, third.base}) == 3
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asterisk:
        asterisk.bind((LOOPBACK, first.sip))
        with claim(first.base) as other:
            assert other.base != first.base


def test_two_processes_start_one(own: SandboxPbx) -> None:
    code = f"""if True:
        from pathlib import Path
        from cordboard.sandbox.pbx import SandboxPbx
        print(SandboxPbx(Path({str(own.directory)!r})).up())
    """
    both = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) for _ in range(2)
    ]
    told = [one.communicate(timeout=60)[0] for one in both]
    assert sorted(told) == [b"False\n", b"True\n"]
    assert own.pid() is not None


def test_blocks_do_not_overlap() -> None:
    ports = Ports(11000)
    single = [ports.sip, ports.mobile, ports.ami, ports.agi]
    ranges = [range(port, port + 1) for port in single]
    ranges += [range(first, last + 1) for first, last in (ports.rtp, ports.phones)]
    every = [port for one in ranges for port in one]
    assert len(every) == len(set(every))
    assert set(every) <= set(range(11000, 12000))


def test_commands(tmp_path: Path) -> None:
    run = CliRunner()
    folder = ["--dir", str(tmp_path / "pbx")]
    told = run.invoke(pbx_app, ["status", "--json", *folder])
    assert told.exit_code == 1
    assert json.loads(told.stdout)["running"] is False
    try:
        assert "started in" in run.invoke(pbx_app, ["up", *folder]).stdout
        assert "running already" in run.invoke(pbx_app, ["up", *folder]).stdout
        told = run.invoke(pbx_app, ["status", "--json", *folder])
        assert told.exit_code == 0
        assert json.loads(told.stdout)["queues"][0] == "support"
        plain = run.invoke(pbx_app, ["status", *folder]).stdout
        assert json.loads(told.stdout)["ami"]["secret"] not in plain
        assert "support-ru" in run.invoke(pbx_app, ["cli", *folder, "queue", "show"]).stdout
    finally:
        assert "stopped" in run.invoke(pbx_app, ["down", *folder]).stdout
    assert "nothing runs" in run.invoke(pbx_app, ["down", *folder]).stdout


def test_versions_are_recorded() -> None:
    asterisk = tools().asterisk
    if len(asterisk.command) == 1:  # one that is installed here tells its own version
        assert asterisk.major >= 20
        return
    versions = Path(asterisk.command[-1]).parents[2] / "versions.txt"
    assert any(line.startswith("asterisk 1:22.") for line in versions.read_text().splitlines())

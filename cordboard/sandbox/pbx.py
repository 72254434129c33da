"""The sandbox: one Asterisk in one folder.

    pbx = SandboxPbx(Path("~/.local/state/cordboard/pbx").expanduser())
    pbx.up()
    pbx.status()
    pbx.down()

Everything listens on loopback. The same folder keeps its ports (while they are free) and its
secrets from one start to the next.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cordboard.config import share
from cordboard.errors import PeerError, UserError
from cordboard.sandbox import etc
from cordboard.sandbox.packages import Asterisk, Tools, cache, tools
from cordboard.sandbox.ports import LOOPBACK, Ports, claim
from cordboard.sandbox.tether import tethered
from cordboard.sections import shipped_scripts

_SOCKET_PATH = 100  # bytes a control socket's path may have: the kernel's limit is 108
_ANSWER = 60.0  # seconds Asterisk's command line may take
_BOOT = 60.0  # seconds Asterisk may take to start before it counts as broken
_DYING = 10.0  # seconds it may take to let go of its memory and its ports


class SandboxPbx:
    """One Asterisk and its folder. Not for use from two threads at once."""

    def __init__(self, directory: Path, *, scenery: bool = False) -> None:
        self._scenery = scenery
        self.directory = directory.resolve()
        self._kept = self.directory / "sandbox.json"
        self._child: int | None = None  # for as long as it is ours to reap
        self._tools: Tools | None = None

    # ---- life -------------------------------------------------------------------------------

    def up(self) -> bool:
        """Start it in the background, unless it runs. True when it was started now."""
        return self.start()

    def start(self, *, die_with_parent: bool = False, own_clock: bool = False) -> bool:
        """Start it, unless it runs, and return when it takes calls. True when started now.

        With `own_clock` its time of day can be set by `set_clock`; its timers are not touched.

        With `die_with_parent` it ends with the calling *thread*, even at kill -9: call this from
        the main thread then. Raises UserError when Asterisk cannot be fetched or does not start.
        """
        if self.pid() is not None:
            return False
        asterisk = self.tools.asterisk
        self.directory.mkdir(parents=True, exist_ok=True)
        self.directory.chmod(0o700)
        with self._turn():
            if self.pid() is not None:  # another process was quicker
                return False
            self._start(asterisk, tied=die_with_parent, own_clock=own_clock)
        return True

    def set_clock(self, seconds: float) -> None:
        """Its time of day is `seconds` ahead of the machine's from now on (behind, if negative).
        It must have been started with `own_clock`."""
        path = self.directory / "clock"
        fresh = path.with_suffix(".new")
        fresh.write_text(f"{seconds:+.0f}\n", encoding="utf-8")
        fresh.rename(path)

    def _start(self, asterisk: Asterisk, *, tied: bool, own_clock: bool) -> None:
        kept = self._read()
        with claim(kept.get("base")) as ports:
            run = self._run_folder()
            plan = _secrets(kept)
            self._keep({"base": ports.base, "run": str(run), "secrets": asdict(plan)})
            folders = etc.Folders(self.directory, run)
            etc.write(folders, asterisk, ports, plan, scenery=self._scenery)
            self._write_server_config(ports, plan)
            self._spawn(asterisk, tied=tied, own_clock=own_clock)
            try:
                self._await_ready(ports)
            except BaseException:
                self.kill()
                raise

    def down(self) -> bool:
        """Stop it, unless it is stopped; nothing is left running. True when it was stopped now."""
        pid = self.pid()
        if pid is not None:
            os.kill(pid, signal.SIGCONT)  # a stopped process would not hear the next one
            os.kill(pid, signal.SIGTERM)
            self._await_end(pid, 5)
            self.kill()
        self._remove_run_folder()
        return pid is not None

    def kill(self) -> None:
        """SIGKILL, as a crash would be: calls are lost, files stay as they are."""
        pid = self.pid()
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            self._await_end(pid, _DYING)

    def freeze(self) -> None:
        """SIGSTOP: it holds its sockets and answers nobody, until `thaw`."""
        os.kill(self._running(), signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self._running(), signal.SIGCONT)

    def pid(self) -> int | None:
        """The process, if it runs."""
        if self._child is not None:
            if not _ended(self._child):
                return self._child
            self._child = None
        try:
            pid = int((self._folders().run / "asterisk.pid").read_text())
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            return None
        # After a crash the pid file is stale, and its number may be somebody else's by now.
        return pid if os.fsencode(self._folders().conf) in command else None

    # ---- talking to it ----------------------------------------------------------------------

    def cli(self, command: str) -> str:
        """What Asterisk's own command line answers. Raises UserError when it does not run."""
        self._running()
        try:
            return self._ask(command).stdout
        except subprocess.TimeoutExpired:
            raise UserError(f"Asterisk in {self.directory} runs, but does not answer") from None

    def hang_up_all(self) -> None:
        """End every call, and return when no channel is left."""
        self.cli("channel request hangup all")
        deadline = time.monotonic() + 30
        while not self.cli("core show channels count").startswith("0 active channels"):
            if time.monotonic() > deadline:
                raise PeerError(f"calls do not end: {self.cli('core show channels')}")
            time.sleep(0.05)

    def status(self) -> dict[str, Any]:
        """All that phones, callers, cordboard and outside checks need to know, for JSON."""
        kept = self._read()
        pid = self.pid()
        if not kept:
            return {"running": False, "directory": str(self.directory)}
        ports, plan = Ports(kept["base"]), _secrets(kept)
        return {
            "running": pid is not None,
            "pid": pid,
            "directory": str(self.directory),
            "version": self.tools.asterisk.version,
            "ami": {"host": LOOPBACK, "port": ports.ami, "user": "cordboard", "secret": plan.ami},
            "ami_raw": {"host": LOOPBACK, "port": ports.ami, "user": "raw", "secret": plan.raw},
            "ami_dialplan": {
                "host": LOOPBACK,
                "port": ports.ami,
                "user": "dialplan",
                "secret": plan.raw,
            },
            "sip": {"host": LOOPBACK, "port": ports.sip, "inbound": etc.INBOUND},
            "agi": {"host": LOOPBACK, "port": ports.agi},
            "mobile": {"host": LOOPBACK, "port": ports.mobile},
            "sipp_ports": list(ports.phones),
            "queues": list(etc.MEMBERS),
            "default_queue": etc.DEFAULT_QUEUE,
            "phones": [
                {
                    "endpoint": f"PJSIP/{phone}",
                    "user": phone,
                    "secret": plan.phones[phone],
                    "name": name,
                    "queues": [queue for queue, all_ in etc.MEMBERS.items() if phone in all_],
                }
                for phone, name in etc.PHONES.items()
            ],
            "queue_log": str(self._folders().log / "queue_log"),
            "log": str(self._folders().log / "messages"),
            "config": str(self.directory / "cordboard.toml"),
            "sipp": shlex.join(self.tools.sipp),
        }

    @property
    def tools(self) -> Tools:
        if self._tools is None:
            self._tools = tools()
        return self._tools

    # ---- inside -----------------------------------------------------------------------------

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        """The sole right to start in this folder; waits while another process does."""
        path = self.directory / "lock"
        deadline = time.monotonic() + _BOOT
        with path.open("a") as lock:
            while True:
                with contextlib.suppress(BlockingIOError):
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                if time.monotonic() > deadline:
                    raise UserError(f"another process is starting it: end the one with {path} open")
                time.sleep(0.02)
            yield

    def _running(self) -> int:
        pid = self.pid()
        if pid is None:
            raise UserError(
                f"no sandbox runs in {self.directory}: start it with "
                f"`cordboard pbx up --dir {self.directory}`"
            )
        return pid

    def _read(self) -> dict[str, Any]:
        try:
            kept = json.loads(self._kept.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except ValueError as wrong:
            raise UserError(f"{self._kept}: {wrong}: remove the file, then start again") from wrong
        assert isinstance(kept, dict)
        return kept

    def _keep(self, kept: dict[str, Any]) -> None:
        _private(self._kept, json.dumps(kept, indent=1))

    def _folders(self) -> etc.Folders:
        return etc.Folders(self.directory, Path(self._read().get("run", self.directory / "run")))

    def _run_folder(self) -> Path:
        """Where the control socket goes: in our folder, or in a short one when that is too deep."""
        self._remove_run_folder()
        own = self.directory / "run"
        if len(os.fsencode(own / "asterisk.ctl")) <= _SOCKET_PATH:
            own.mkdir()
            return own
        short = Path(tempfile.mkdtemp(prefix="cordboard-", dir="/tmp"))
        own.symlink_to(short)
        return short

    def _remove_run_folder(self) -> None:
        own = self.directory / "run"
        if own.is_symlink():
            shutil.rmtree(own.resolve(), ignore_errors=True)
            own.unlink()
        else:
            shutil.rmtree(own, ignore_errors=True)

    def _write_server_config(self, ports: Ports, plan: etc.Secrets) -> None:
        _private(self.directory / "ami.secret", plan.ami + "\n")
        database = f"sqlite:///{self.directory / 'cordboard.db'}"
        text = f"""\
# Written by `cordboard pbx up` at each start: copy it elsewhere to change it.
# cordboard serve --config {self.directory / "cordboard.toml"}

[[pbx]]
name = "sandbox"
host = "{LOOPBACK}"
port = {ports.ami}
user = "cordboard"
secret_file = "ami.secret"

[agi]
listen = "{LOOPBACK}:{ports.agi}"

[http]
listen = "{LOOPBACK}:8088"

[database]
url = {json.dumps(database)}

[phone]
region = "RU"

[routing]
path = {json.dumps(str(share("routing.toml")))}

[scripts]
path = {json.dumps(str(shipped_scripts()))}

[prompts]
path = {json.dumps(str(cache() / "prompts"))}
"""
        _private(self.directory / "cordboard.toml", text)

    def _spawn(self, asterisk: Asterisk, *, tied: bool, own_clock: bool) -> None:
        command = [*asterisk.command, "-C", str(self._folders().conf), "-f", "-n"]
        environment = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8", "HOME": "/"}
        if own_clock:
            if asterisk.faketime is None:
                raise UserError("no libfaketime on this machine; type: apt-get install libfaketime")
            self.set_clock(0)
            environment |= {
                "FAKETIME_TIMESTAMP_FILE": str(self.directory / "clock"),
                "FAKETIME_CACHE_DURATION": "1",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                "FAKETIME_DONT_RESET": "1",
            }
            if len(asterisk.command) > 1:  # through the loader, which preloads for it alone
                command[1:1] = ["--preload", str(asterisk.faketime)]
            else:
                environment["LD_PRELOAD"] = str(asterisk.faketime)
        if tied:
            command = tethered(command)
        # Not a Popen: that one complains when it is forgotten while its process runs, and to be
        # forgotten is what a PBX in the background is for.
        self._child = os.posix_spawn(
            command[0],
            command,
            environment,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (
                    os.POSIX_SPAWN_OPEN,
                    1,
                    str(self._folders().log / "console"),
                    os.O_WRONLY | os.O_CREAT | os.O_TRUNC,
                    0o600,
                ),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
        )

    def _ask(self, command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603
            [*self.tools.asterisk.command, "-C", str(self._folders().conf), "-rx", command],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=_ANSWER,
        )

    def _await_ready(self, ports: Ports) -> None:
        """Until Asterisk has loaded all modules: it listens on AMI long before that."""
        deadline = time.monotonic() + _BOOT
        control = self._folders().run / "asterisk.ctl"
        while time.monotonic() < deadline and self.pid() is not None:
            if control.exists():
                told = self._ask("core waitfullybooted").stdout
                if "fully booted" in told:
                    if f":{ports.sip}" in self._ask("pjsip show transports").stdout:
                        return
                    break
            time.sleep(0.05)
        raise UserError(
            f"Asterisk did not start in {self.directory}: see log/messages and log/console there"
        )

    def _await_end(self, pid: int, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            # The first also reaps it, where it is a child of ours.
            if self.pid() != pid and _holds_nothing(pid):
                return
            time.sleep(0.02)


def _ended(child: int) -> bool:
    """Whether our child is gone, and reaped."""
    for _ in range(round(_DYING / 0.01)):
        try:
            if os.waitpid(child, os.WNOHANG) != (0, 0):
                return True
            state = Path(f"/proc/{child}/stat").read_text().rpartition(") ")[2][0]
            if state not in "ZX" and Path(f"/proc/{child}/cmdline").read_bytes():
                return False
        except (ChildProcessError, FileNotFoundError):
            return True
        # Either it has just become another program, which has no arguments yet, or it has let go of
        # its memory: its first thread ends, or has ended, and the others are about to. Until then
        # it can not be reaped, and its ports are not free.
        time.sleep(0.01)
    return True


def _holds_nothing(pid: int) -> bool:
    """Whether no thread of a process that ends has its files open any more."""
    try:
        return len(os.listdir(f"/proc/{pid}/task")) == 1 and not os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return True


def _secrets(kept: dict[str, Any]) -> etc.Secrets:
    """Those of before, or new ones."""
    before = kept.get("secrets", {})
    phones = before.get("phones", {})
    return etc.Secrets(
        ami=before.get("ami") or secrets.token_urlsafe(18),
        raw=before.get("raw") or secrets.token_urlsafe(18),
        phones={phone: phones.get(phone) or secrets.token_urlsafe(9) for phone in etc.PHONES},
    )


def _private(path: Path, text: str) -> None:
    """Write a file that only its owner may read."""
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(text, encoding="utf-8")

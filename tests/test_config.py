"""The configuration: what a file may say, what the environment overrides, how faults are told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cordboard.config import ConfigError, Settings, is_loopback, load, share, split_address
from cordboard.errors import UserError

Written = Callable[[str], Path]


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Written:
    """Writes `conf/cordboard.toml`, seen from another folder."""
    (tmp_path / "conf").mkdir()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    path = tmp_path / "conf" / "cordboard.toml"

    def write(text: str) -> Path:
        path.write_text(text, encoding="utf-8")
        return path

    return write


def faults(path: Path | None) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        load(path)
    assert str(raised.value).splitlines() == raised.value.faults
    return raised.value.faults


def test_without_a_file_the_defaults_stand_and_name_files_that_are_there(written: Written) -> None:
    settings = load(None)
    assert settings.pbx == []
    assert settings.http.listen == "127.0.0.1:8088"
    assert settings.agi.listen == "127.0.0.1:4573"
    assert settings.crm.results[0] == "resolved"
    assert settings.routing.path == share("routing.toml")
    assert settings.routing.path.is_file()


def test_the_file_is_cordboard_toml_here_or_what_the_environment_names(
    written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written('[phone]\nregion = "BG"\n')
    assert load(None).phone.region == "RU"
    monkeypatch.setenv("CORDBOARD_CONFIG", str(path))
    assert load(None).phone.region == "BG"
    monkeypatch.delenv("CORDBOARD_CONFIG")
    monkeypatch.chdir(path.parent)
    assert load(None).phone.region == "BG"
    monkeypatch.setenv("CORDBOARD_CONFIG", "elsewhere.toml")
    assert faults(None) == ["elsewhere.toml: No such file or directory; name another with --config"]


def test_paths_are_taken_from_the_files_own_folder(written: Written, tmp_path: Path) -> None:
    path = written(
        '[[pbx]]\nsecret_file = "ami.secret"\n[[pbx]]\nname = "b"\nsecret_file = "/etc/b"\n'
        '[http]\ncertificate = "tls/cert.pem"\nkey = "tls/key.pem"\n'
        '[database]\nurl = "sqlite:///var/cordboard.db"\n'
        '[scripts]\npath = "~/scripts"\n[routing]\npath = "routing.toml"\n'
    )
    settings, folder = load(path), tmp_path / "conf"
    assert [pbx.secret_file for pbx in settings.pbx] == [folder / "ami.secret", Path("/etc/b")]
    assert settings.http.certificate == folder / "tls/cert.pem"
    assert settings.http.key == folder / "tls/key.pem"
    assert settings.database.url == f"sqlite:///{folder}/var/cordboard.db"
    assert settings.scripts.path == Path.home() / "scripts"
    assert settings.routing.path == folder / "routing.toml"


@pytest.mark.parametrize(
    "url",
    ["sqlite:////srv/cordboard.db", "postgresql://cordboard@db.example/cordboard"],
)
def test_a_database_that_is_no_relative_file_stays_as_it_is_written(
    written: Written, url: str
) -> None:
    assert load(written(f'[database]\nurl = "{url}"\n')).database.url == url


def test_the_environment_overrides_any_key_and_leaves_the_others(
    written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written('[http]\nlisten = "127.0.0.1:1"\ntrusted_proxies = ["10.0.0.1"]\n')
    monkeypatch.setenv("CORDBOARD_HTTP__LISTEN", "127.0.0.1:9000")
    monkeypatch.setenv("CORDBOARD_DESK__WRAPUP_SECONDS", "45")
    monkeypatch.setenv("CORDBOARD_CRM__LANGUAGES", '["bg", "en"]')
    settings = load(path)
    assert settings.http.listen == "127.0.0.1:9000"
    assert settings.http.trusted_proxies == ["10.0.0.1"]
    assert settings.desk.wrapup_seconds == 45
    assert settings.crm.languages == ["bg", "en"]


def test_all_faults_are_told_at_once_each_with_its_line(written: Written) -> None:
    path = written(
        '[[pbx]]\nsecret_file = "a"\n\n'
        '[[pbx]]\nprot = 5038\nport = "many"\n\n'
        '[http]\nlisten = "nowhere"\n\n'
        '[desk]\nwrapup_seconds = -1\ntimezone = "Mars/Olympus"\n\n'
        "[colour]\nred = 1\n"
    )
    told = {fault.removeprefix(f"{path}:") for fault in faults(path)}
    assert told == {
        "4: pbx.1.secret_file: this key is needed; add it",
        "5: pbx.1.prot: no such key; take it out or mend its spelling",
        "6: pbx.1.port: write a whole number, without quotes",
        "9: http.listen: write it as HOST:PORT, such as 127.0.0.1:8088 or [::1]:8088",
        "12: desk.wrapup_seconds: must be at least 0",
        "13: desk.timezone: not a time zone of the IANA list, such as Europe/Sofia",
        "15: colour: no such key; take it out or mend its spelling",
    }


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[[pause]]\nname = "wrap-up"\n', "one of the server's own reasons"),
        ('[[pause]]\nname = "lunch"\n[[pause]]\nname = "lunch"\n', "lunch is there twice"),
        ('[[pause]]\nname = "Long lunch"\n', "pattern"),
        ('[[pause]]\nname = "lunch"\nminutes = 0\n', "more than 0"),
        ("[desk]\nwrapup_seconds = 900\n", "wrapup_limit_seconds = 600 is less than"),
        ('[desk]\nphones = "PJSIP/["\n', "no regular expression"),
        ('[desk]\nwrapup = "for ever"\n', "'fixed' or 'until-done'"),
    ],
)
def test_pauses_and_wrap_ups_that_cannot_be_are_told(
    written: Written, text: str, told: str
) -> None:
    assert [fault for fault in faults(written(text)) if told in fault]


def test_pauses_of_the_file_take_the_place_of_the_shipped_ones(written: Written) -> None:
    text = '[[pause]]\nname = "tea"\nminutes = 7.5\ntext = { bg = "Чай" }\n'
    (pause,) = load(written(text)).pause
    assert (pause.name, pause.seconds, pause.text) == ("tea", 450, {"bg": "Чай"})


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        (
            "CORDBOARD_AGI__SESSIONS",
            "many",
            "CORDBOARD_AGI__SESSIONS in the environment: write a whole number",
        ),
        (
            "CORDBOARD_PBX",
            '[{"name',
            'in the environment: error parsing value for field "pbx" from source'
            ' "EnvSettingsSource"; write it as JSON',
        ),
    ],
)
def test_a_fault_in_the_environment_names_the_variable_not_the_file(
    written: Written, monkeypatch: pytest.MonkeyPatch, name: str, value: str, told: str
) -> None:
    monkeypatch.setenv(name, value)
    assert faults(written("[agi]\nsessions = 10\n")) == [told]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"a = \n", "Invalid value (at line 1, column 5); the file must be TOML"),
        (b"[http]\na = 'b'\n[http]\n", "(at line 3, column 6); the file must be TOML"),
        ("[a]\nb = 'Приёмная'".encode("cp1251"), "not UTF-8 at byte 9; save it as UTF-8"),
    ],
    ids=["syntax", "table twice", "cp1251"],
)
def test_a_file_that_is_no_toml_is_one_line(written: Written, content: bytes, told: str) -> None:
    path = written("")
    path.write_bytes(content)
    (fault,) = faults(path)
    assert fault.startswith(f"{path}: ")
    assert fault.endswith(told)


def test_a_folder_or_nothing_in_place_of_the_file_is_one_line(tmp_path: Path) -> None:
    assert faults(tmp_path) == [f"{tmp_path}: Is a directory; name another with --config"]
    missing = tmp_path / "cordboard.toml"
    (fault,) = faults(missing)
    assert fault == f"{missing}: No such file or directory; name another with --config"


OUTSIDE = ["0.0.0.0:8088", "[::]:8088", "192.168.1.5:80", "desk.example.com:443"]
INSIDE = ["127.0.0.1:8088", "127.1.2.3:80", "[::1]:8088", "localhost:8088"]


@pytest.mark.parametrize("listen", OUTSIDE)
def test_an_address_that_others_reach_needs_a_certificate_or_a_proxy(
    written: Written, listen: str
) -> None:
    assert not is_loopback(listen)
    path = written(f'[http]\nlisten = "{listen}"\n')
    (fault,) = faults(path)
    assert fault.startswith(f"{path}:1: http: listen = {listen} can be reached from outside: ")
    tls = f'[http]\nlisten = "{listen}"\ncertificate = "c.pem"\nkey = "k.pem"\n'
    assert load(written(tls)).http.listen == listen
    proxied = f'[http]\nlisten = "{listen}"\ntrusted_proxies = ["10.0.0.0/8"]\n'
    assert load(written(proxied)).http.listen == listen


@pytest.mark.parametrize("listen", INSIDE)
def test_an_address_of_this_machine_alone_needs_neither(written: Written, listen: str) -> None:
    assert is_loopback(listen)
    assert load(written(f'[http]\nlisten = "{listen}"\n')).http.listen == listen


def test_a_certificate_without_its_key_is_refused(written: Written) -> None:
    path = written('[http]\ncertificate = "cert.pem"\n')
    assert faults(path) == [f"{path}:1: http: certificate and key go together"]


@pytest.mark.parametrize(
    ("address", "pair"),
    [("127.0.0.1:80", ("127.0.0.1", 80)), ("[::1]:8088", ("::1", 8088)), ("a.b:0", ("a.b", 0))],
)
def test_an_address_is_a_host_and_a_port(address: str, pair: tuple[str, int]) -> None:
    assert split_address(address) == pair


@pytest.mark.parametrize("address", ["8088", ":8088", "localhost", "localhost:http", "a:65536"])
def test_half_an_address_is_refused(written: Written, address: str) -> None:
    (fault,) = faults(written(f'[agi]\nlisten = "{address}"\n'))
    assert ":2: agi.listen: write it as HOST:PORT" in fault


def test_the_secret_is_the_files_one_line(written: Written, tmp_path: Path) -> None:
    path = written('[[pbx]]\nsecret_file = "ami.secret"\n')
    (pbx,) = load(path).pbx
    with pytest.raises(UserError, match="No such file or directory; put the AMI account's secret"):
        pbx.secret()
    (path.parent / "ami.secret").write_text(" \n")
    with pytest.raises(UserError, match=r"secret_file .*ami\.secret is empty"):
        pbx.secret()
    (path.parent / "ami.secret").write_text("open sesame\n")
    assert pbx.secret() == "open sesame"


def test_settings_cannot_be_changed_under_way() -> None:
    settings = Settings()
    with pytest.raises(ValueError, match="frozen"):
        settings.http.listen = "0.0.0.0:1"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("", "var/cordboard.spool"),
        ('[database]\nurl = "sqlite:///data/calls.db"', "data/calls.spool"),
        ('[database]\nurl = "postgresql://db/cordboard"', "var/cordboard.spool"),
        ('[spool]\npath = "elsewhere/a.spool"', "elsewhere/a.spool"),
    ],
)
def test_the_spool_stands_beside_the_sqlite_file_unless_it_is_named(
    tmp_path: Path, lines: str, expected: str
) -> None:
    path = tmp_path / "cordboard.toml"
    path.write_text(lines)
    assert load(path).spool.path == tmp_path / expected

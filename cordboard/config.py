"""The configuration: `cordboard.toml`, any key of which the environment may override.

`CORDBOARD_HTTP__LISTEN=127.0.0.1:9000` sets `[http] listen`. All faults are found at once, each
with its file, line and what to do.
"""

from __future__ import annotations

import ipaddress
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from cordboard.addresses import placeholders, url_fault
from cordboard.envelope import EVENTS
from cordboard.errors import UserError
from cordboard.sections import Prompts, Scripts, Survey
from cordboard.wording import advice, sentence

DEFAULT_PATH = Path("cordboard.toml")


def share(name: str) -> Path:
    """A file or folder of `config/`: beside the package in a checkout, inside it in a wheel."""
    packed = Path(__file__).parent / "share" / "config" / name
    return packed if packed.exists() else Path(__file__).parent.parent / "config" / name


def _address(value: str) -> str:
    host, colon, port = value.rpartition(":")
    if not colon or not host or not port.isdigit() or int(port) > 65535:
        raise ValueError("write it as HOST:PORT, such as 127.0.0.1:8088 or [::1]:8088")
    return value


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        raise ValueError("not a time zone of the IANA list, such as Europe/Sofia") from None
    return value


def _pattern(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"is no regular expression: {error}") from None
    return value


Word = Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,32}$")]
Address = Annotated[str, AfterValidator(_address)]
Zone = Annotated[str, AfterValidator(_zone)]


def split_address(address: str) -> tuple[str, int]:
    """HOST:PORT as a pair, the brackets of an IPv6 host taken off."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def is_loopback(address: str) -> bool:
    """Whether only programs on this machine can reach `address` (HOST:PORT)."""
    host = split_address(address)[0]
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Pbx(Section):
    """One Asterisk. The secret stands in a file of its own, readable by the server alone."""

    name: str = Field(default="pbx", pattern=r"^[a-z0-9_-]{1,32}$")
    host: str = "127.0.0.1"
    port: int = Field(default=5038, ge=1, le=65535)
    user: str = "cordboard"
    secret_file: Path
    dial_context: str = Field(default="cordboard-phones", pattern=r"^[A-Za-z0-9_-]{1,79}$")

    def secret(self) -> str:
        """Raises `UserError` where the file cannot be read or is empty."""
        try:
            secret = self.secret_file.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise UserError(
                f"[[pbx]] {self.name}: secret_file {self.secret_file}: {error.strerror};"
                " put the AMI account's secret there, one line"
            ) from error
        if not secret:
            raise UserError(f"[[pbx]] {self.name}: secret_file {self.secret_file} is empty")
        return secret


class Agi(Section):
    """Where the dialplan's AGI() finds us. AGI has no authentication: loopback, or a network on
    which only the PBX can reach this port."""

    listen: Address = "127.0.0.1:4573"
    sessions: int = Field(default=500, ge=1, description="calls asking for a route at one time")


class Http(Section):
    listen: Address = "127.0.0.1:8088"
    certificate: Path | None = None
    key: Path | None = None
    trusted_proxies: list[str] = []

    @model_validator(mode="after")
    def _closed_to_eavesdroppers(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key go together")
        if not is_loopback(self.listen) and not self.certificate and not self.trusted_proxies:
            raise ValueError(
                f"listen = {self.listen} can be reached from outside: give certificate and key,"
                " or trusted_proxies where a proxy speaks TLS for us, or listen on 127.0.0.1"
            )
        return self


class Database(Section):
    url: str = "sqlite:///var/cordboard.db"


class Spool(Section):
    """Where records wait on disk while the database is away. A queued call is about 20 kB, so the
    default is a day of a centre with ten thousand calls."""

    path: Path = Path("var/cordboard.spool")
    megabytes: int = Field(default=256, ge=1)


class Phone(Section):
    region: str = Field(default="RU", pattern=r"^[A-Z]{2}$")


class Routing(Section):
    path: Path = Field(default_factory=lambda: share("routing.toml"))


class Crm(Section):
    statuses: list[str] = ["new", "regular", "vip", "debtor", "blocked"]
    segments: list[str] = []
    languages: list[str] = ["ru", "bg", "en"]
    currency: str = Field(default="RUB", pattern=r"^[A-Z]{3}$")
    results: list[str] = ["resolved", "callback", "complaint", "order", "wrong-number", "other"]


class Desk(Section):
    """What counts as good service, and how long an operator has for the note."""

    timezone: Zone = "UTC"
    service_level_seconds: float = Field(default=20, gt=0)
    short_abandon_seconds: float = Field(default=5, ge=0)
    wrapup: Literal["fixed", "until-done"] = "fixed"
    wrapup_seconds: float = Field(default=30, ge=0)
    wrapup_limit_seconds: float = Field(default=600, ge=0)
    misses: int = Field(default=3, ge=0)
    phones: Annotated[str, AfterValidator(_pattern)] = "PJSIP/[0-9]{3,5}"
    handling_seconds: float = Field(default=180, gt=0)
    lookup_deadline_ms: int = Field(default=300, ge=10)

    @model_validator(mode="after")
    def _within_the_limit(self) -> Self:
        if self.wrapup_seconds > self.wrapup_limit_seconds:
            raise ValueError(
                f"wrapup_limit_seconds = {self.wrapup_limit_seconds:g} is less than wrapup_seconds"
                f" = {self.wrapup_seconds:g}: raise it, it holds for all of a wrap-up"
            )
        return self


class Pause(Section):
    """A reason for which operators may be away. `text` is what people read, by language."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")
    minutes: float | None = Field(default=None, gt=0)
    text: dict[str, str] = {}

    @property
    def seconds(self) -> float | None:
        """How long it may last."""
        return None if self.minutes is None else self.minutes * 60

    @field_validator("name")
    @classmethod
    def _not_ours(cls, value: str) -> str:
        if value in OWN_PAUSES:
            raise ValueError("is one of the server's own reasons; take another name")
        return value


def _one_each(pauses: list[Pause]) -> list[Pause]:
    if not pauses:
        raise ValueError("leave it out for the default reasons, or give one at least")
    names = [pause.name for pause in pauses]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice} is there twice; every reason has a name of its own")
    return pauses


OWN_PAUSES = ("wrap-up", "missed", "declined", "phone-lost", "forced")
PAUSES = [
    Pause(name="break", minutes=15, text={"en": "Break", "ru": "Отдых", "bg": "Почивка"}),
    Pause(name="lunch", minutes=60, text={"en": "Lunch", "ru": "Обед", "bg": "Обяд"}),
    Pause(name="training", text={"en": "Training", "ru": "Обучение", "bg": "Обучение"}),
    Pause(name="meeting", text={"en": "Meeting", "ru": "Совещание", "bg": "Среща"}),
    Pause(
        name="back-office",
        text={"en": "Other work", "ru": "Другая работа", "bg": "Друга работа"},
    ),
]
"""Where the configuration has no [[pause]]."""


class Announce(Section):
    """What waiting callers are told of their place and their wait. `every` 0: nothing."""

    first: float = Field(default=30, ge=0)
    every: float = Field(default=60, ge=0)
    places: int = Field(default=10, ge=0)
    minutes: int = Field(default=30, ge=0)
    at_once: int = Field(default=10, ge=1)

    @model_validator(mode="after")
    def _leaves_room(self) -> Self:
        if 0 < self.every < 15:
            raise ValueError("one announcement takes up to 15 seconds: every = 15 or more, or 0")
        return self


class Callback(Section):
    """Callers who are called back: how often it is tried, and what is never called. `blocked` are
    beginnings of numbers in E.164; numbers that cost more than others are blocked besides."""

    tries: int = Field(default=3, ge=1, le=20)
    again_minutes: float = Field(default=15, ge=0)
    blocked: list[Annotated[str, Field(pattern=r"^\+[1-9][0-9]*$")]] = []


class Recorder(Section):
    """The flight recorder. Without `key_file` the key is made beside `path`."""

    path: Path = Path("var/flight")
    minutes: float = Field(default=60, ge=0)
    megabytes: int = Field(default=200, ge=1)
    key_file: Path | None = None


Attribute = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
JsonPath = Annotated[str, Field(pattern=r"^[^.\x00-\x1f]{1,80}(\.[^.\x00-\x1f]{1,80}){0,11}$")]
"""Keys, and places in lists counted from 0, with dots between: customer.contracts.0.tariff."""
Scalar = str | bool | int | float


class Mapped(Section):
    """Where in the JSON answer each of our fields stands."""

    name: JsonPath | None = None
    status: JsonPath | None = None
    language: JsonPath | None = None
    balance: JsonPath | None = None
    segment: JsonPath | None = None
    tags: JsonPath | None = None
    manager: JsonPath | None = None
    do_not_disturb: JsonPath | None = None
    attributes: dict[Attribute, JsonPath] = {}

    @model_validator(mode="after")
    def _anything(self) -> Self:
        if not self.model_fields_set:
            raise ValueError('names no field; write at least one, such as status = "status"')
        return self


class Translated(Section):
    """Their word to ours, for each field; a word that is not listed stays."""

    status: dict[str, str] = {}
    language: dict[str, str] = {}
    segment: dict[str, str] = {}
    tags: dict[str, str] = {}
    manager: dict[str, str] = {}
    do_not_disturb: dict[str, bool] = {}
    attributes: dict[Attribute, dict[str, Scalar]] = {}


class Fuse(Section):
    """After `failures` in a row the system is left alone for `seconds`."""

    failures: int = Field(default=5, ge=1)
    seconds: float = Field(default=30, gt=0)


ASKED_BY = ("number", "customer")


class Lookup(Section):
    """Another system that is asked who calls."""

    name: Word
    url: str
    method: Literal["GET", "POST"] = "GET"
    body: dict[str, Any] | None = None
    secret_file: Path | None = None
    deadline_ms: int = Field(default=300, ge=10, le=4000)
    cache_seconds: float = Field(default=60, ge=0)
    cache_size: int = Field(default=10_000, ge=1)
    refresh_seconds: float = Field(default=0, ge=0)
    connections: int = Field(default=20, ge=1, le=1000)
    allow_private: bool = False
    breaker: Fuse = Fuse()
    map: Mapped
    values: Translated = Translated()

    @field_validator("url")
    @classmethod
    def _url(cls, value: str) -> str:
        if fault := url_fault(value, ASKED_BY):
            raise ValueError(f"{value} {fault}")
        return value

    @model_validator(mode="after")
    def _asks(self) -> Self:
        if self.body is not None and self.method == "GET":
            raise ValueError('a body is sent with method = "POST" alone')
        if unknown := set(self.asked_by) - set(ASKED_BY):
            raise ValueError(f"body has the placeholder {{{sorted(unknown)[0]}}}, which is unknown")
        if not self.asked_by:
            raise ValueError("neither url nor body has {number} or {customer}: whom to ask for?")
        return self

    @property
    def asked_by(self) -> frozenset[str]:
        """The placeholders in use."""
        found = placeholders(self.url)
        for text in _texts(self.body):
            found |= placeholders(text)
        return frozenset(found)


class Webhook(Section):
    """Another system that is told what happens to calls. Without `events` it is told of all."""

    name: Word
    url: str
    secret_file: Path
    events: list[str] = []
    timeout_seconds: float = Field(default=10, gt=0, le=60)
    retry_hours: float = Field(default=24, gt=0, le=720)
    connections: int = Field(default=8, ge=1, le=64)
    mask_numbers: bool = False
    allow_private: bool = False

    @field_validator("url")
    @classmethod
    def _url(cls, value: str) -> str:
        if fault := url_fault(value):
            raise ValueError(f"{value} {fault}")
        return value

    @field_validator("events")
    @classmethod
    def _known(cls, value: list[str]) -> list[str]:
        if unknown := [name for name in value if name not in EVENTS]:
            raise ValueError(f"no event is called {unknown[0]!r}; there are {', '.join(EVENTS)}")
        return value


def _texts(value: Any) -> list[str]:
    """All strings in something that came from TOML, keys apart."""
    if isinstance(value, str):
        return [value]
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for part in parts for text in _texts(part)]


class Settings(BaseSettings):
    """The whole file. `load` is the way to make one."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, env_prefix="CORDBOARD_", env_nested_delimiter="__"
    )

    pbx: list[Pbx] = []
    agi: Agi = Agi()
    http: Http = Http()
    database: Database = Database()
    spool: Spool = Spool()
    phone: Phone = Phone()
    scripts: Scripts = Scripts()
    prompts: Prompts = Prompts()
    routing: Routing = Routing()
    crm: Crm = Crm()
    desk: Desk = Desk()
    pause: Annotated[list[Pause], AfterValidator(_one_each)] = PAUSES
    announce: Announce = Announce()
    callback: Callback = Callback()
    survey: Survey = Survey()
    recorder: Recorder = Recorder()
    lookup: list[Lookup] = []
    webhook: list[Webhook] = []

    @field_validator("lookup", "webhook")
    @classmethod
    def _named_once(cls, value: list[Any]) -> list[Any]:
        names = [each.name for each in value]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"two tables have the name {sorted(twice)[0]!r}; each has its own")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (env_settings, init_settings)


class ConfigError(UserError):
    """Every fault of one configuration file; `faults` holds one line each."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


def load(path: Path | None) -> Settings:
    """Reads `path` (or `cordboard.toml` here, or built-in defaults where there is none).

    Paths inside the file are taken from the file's own folder. Raises `ConfigError`.
    """
    if path is None:
        named = os.environ.get("CORDBOARD_CONFIG")
        path = Path(named) if named else DEFAULT_PATH
        if not named and not path.exists():
            return _settings({}, path, "")
    try:
        text = path.read_text(encoding="utf-8")
        data = tomllib.loads(text)
    except OSError as error:
        raise ConfigError([f"{path}: {error.strerror}; name another with --config"]) from error
    except UnicodeDecodeError as error:
        fault = f"{path}: not UTF-8 at byte {error.start}; save it as UTF-8"
        raise ConfigError([fault]) from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError([f"{path}: {error}; the file must be TOML"]) from error
    data.setdefault("database", {})
    if isinstance(data["database"], dict):
        data["database"].setdefault("url", Database().url)
    data.setdefault("recorder", {})
    if isinstance(data["recorder"], dict):
        data["recorder"].setdefault("path", str(Recorder().path))
    folder = path.parent.resolve()
    _resolve_paths(data, folder)
    if isinstance(data["database"], dict):
        _place_beside(data, folder)
    return _settings(data, path, text)


def _settings(data: dict[str, Any], path: Path, text: str) -> Settings:
    try:
        return Settings(**data)
    except SettingsError as error:
        raise ConfigError([f"in the environment: {error}; write it as JSON"]) from error
    except ValidationError as error:
        faults = [_fault(path, text, fault) for fault in error.errors()]
        raise ConfigError(faults) from None


_TABLES = ("pbx", "lookup", "webhook")
_PATHS = (
    *("secret_file", "certificate", "key", "path", "key_file", "personal"),
    "recordings",
)
_WITH_PATHS = ("http", "scripts", "prompts", "routing", "spool", "recorder")


def _resolve_paths(data: dict[str, Any], folder: Path) -> None:
    tables = [data.get(name) for name in _TABLES]
    listed = [one for table in tables if isinstance(table, list) for one in table]
    for section in [*listed, *(data.get(name) for name in _WITH_PATHS)]:
        if isinstance(section, dict):
            for key in _PATHS:
                if isinstance(section.get(key), str):
                    section[key] = str(folder / Path(section[key]).expanduser())
            if isinstance(files := section.get("secrets"), dict):
                for name, file in files.items():
                    files[name] = str(folder / Path(str(file)).expanduser())
    database = data.get("database")
    if isinstance(database, dict) and isinstance(url := database.get("url"), str):
        scheme, slashes, rest = url.partition(":///")
        if slashes and scheme.startswith("sqlite") and rest and not rest.startswith(("/", ":")):
            database["url"] = f"{scheme}:///{folder / rest}"


def _place_beside(data: dict[str, Any], folder: Path) -> None:
    """Unless they are named, the spool, spoken prompts and recordings stand beside the SQLite
    file: there the server may write."""
    scheme, slashes, file = str(data["database"].get("url", "")).partition(":///")
    beside = slashes and scheme.startswith("sqlite") and file.startswith("/")
    places = {
        ("spool", "path"): Path(file).with_suffix(".spool") if beside else folder / Spool().path,
        ("prompts", "path"): Prompts().path,
        ("prompts", "personal"): Prompts().personal,
        ("scripts", "recordings"): Scripts().recordings,
    }
    for (name, key), place in places.items():
        section = data.setdefault(name, {})
        if isinstance(section, dict):
            default = Path(file).parent / place.name if beside else folder / place
            section.setdefault(key, str(place if place.is_absolute() else default))


def _fault(path: Path, text: str, fault: Mapping[str, Any]) -> str:
    loc = fault["loc"]
    variable = f"CORDBOARD_{'__'.join(map(str, loc)).upper()}"
    if os.environ.get(variable) is not None:
        return f"{variable} in the environment: {advice(fault).removesuffix(', without quotes')}"
    return f"{path}:{_line(text, loc)}: {sentence(fault)}"


def _line(text: str, loc: tuple[int | str, ...]) -> int:
    """The line on which the key at `loc` stands, or its table's header, or 1."""
    names = [part for part in loc if isinstance(part, str)]
    index = next((part for part in loc if isinstance(part, int)), 0)
    found, seen, inside = 1, -1, len(names) < 2
    for number, line in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*\[{1,2}\s*([\w.-]+)\s*\]{1,2}", line)
        if header:
            seen += header[1] == names[0]
            inside = header[1] == names[0] and seen == index
            if inside:
                found = number
        elif inside and names and re.match(rf"\s*{re.escape(names[-1])}\s*=", line):
            return number
    return found

"""The configuration of the sandbox's Asterisk.

The dialplan, the manager account, the queues and the feature codes are the files of
config/asterisk, unchanged, as an administrator would copy them. What is added here belongs to the
sandbox alone: folders, ports, secrets, phones, and the trunk on which SIPp plays the outer world.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cordboard.config import share
from cordboard.errors import UserError
from cordboard.sandbox.packages import Asterisk
from cordboard.sandbox.ports import LOOPBACK, Ports
from cordboard.sandbox.scenery import CONFBRIDGE, DIALPLAN, PARKING, QUEUES

INBOUND = "74951234567"  # the number callers dial; any other goes the same way
DEFAULT_QUEUE = "support"
PHONES = {
    "1001": "Анна Орлова",
    "1002": "Пётр Смирнов",
    "1003": "Елена Петрова",
    "1004": "Десислава Тодорова",
    "1005": "Георги Стоянов",
    "1006": "John O'Brien",
    "1007": "Мария Димитрова",
    "1008": "Иван Соколов",
    "1009": "Ivan Petrov",
    "1010": "Jane Doe",
}
# Queue: its members, each with a penalty. 1007 to 1010 are in none.
MEMBERS = {
    DEFAULT_QUEUE: dict.fromkeys(("1001", "1002", "1003", "1004", "1005", "1006"), 0),
    "support-ru": {"1001": 0, "1002": 0, "1003": 0, "1004": 1},
    "support-bg": {"1003": 1, "1004": 0, "1005": 0},
    "support-en": {"1004": 1, "1005": 0, "1006": 0},
    "collections": {"1003": 0, "1004": 1, "1006": 0},
}
MAILBOX = "support"  # in voicemail.conf, without a PIN: nothing here lets anybody listen to it
_SHIPPED = (
    "extensions.conf",
    "manager.conf",
    "queues.conf",
    "features.conf",
    "pjsip.conf",
    "voicemail.conf",
)
_MODULES = """
    app_dial app_mixmonitor app_playback app_queue app_read app_stack app_userevent app_chanspy
    app_exec app_senddtmf app_verbose app_echo app_confbridge app_directed_pickup app_voicemail
    bridge_builtin_features bridge_builtin_interval_features bridge_holding bridge_native_rtp
    bridge_simple bridge_softmix
    chan_pjsip chan_bridge_media
    codec_alaw codec_gsm codec_ulaw codec_a_mu codec_resample
    format_gsm format_pcm format_sln format_wav
    func_callerid func_channel func_cut func_db func_devstate func_dialplan func_global
    func_hangupcause func_logic func_rand func_strings func_timeout func_uri func_version
    func_pjsip_contact func_pjsip_endpoint
    pbx_config
    res_agi res_clioriginate res_convert res_crypto res_curl func_curl res_http_media_cache
    res_manager_devicestate res_musiconhold res_parking res_pjproject res_pjsip res_pjsip_acl
    res_pjsip_authenticator_digest res_pjsip_caller_id res_pjsip_dlg_options res_pjsip_dtmf_info
    res_pjsip_empty_info res_pjsip_endpoint_identifier_ip res_pjsip_endpoint_identifier_user
    res_pjsip_header_funcs res_pjsip_logger res_pjsip_nat res_pjsip_notify res_pjsip_path
    res_pjsip_pubsub res_pjsip_refer res_pjsip_registrar res_pjsip_rfc3326 res_pjsip_sdp_rtp
    res_pjsip_session res_rtp_asterisk res_sorcery_astdb res_sorcery_config res_sorcery_memory
    res_speech res_stasis res_timing_timerfd
""".split()  # noqa: SIM905 - seventy quotes and commas would hide the names


@dataclass(frozen=True)
class Folders:
    """Where one sandbox keeps what."""

    top: Path
    run: Path  # the control socket: its path must stay under 108 bytes, so it may lie elsewhere

    @property
    def etc(self) -> Path:
        return self.top / "etc"

    @property
    def conf(self) -> Path:
        return self.etc / "asterisk.conf"

    @property
    def log(self) -> Path:
        return self.top / "log"

    @property
    def data(self) -> Path:
        return self.top / "data"

    @property
    def state(self) -> Path:
        return self.top / "state"


@dataclass(frozen=True)
class Secrets:
    ami: str
    raw: str
    phones: dict[str, str]


def _shipped(name: str, major: int) -> Path:
    """The file for this version of Asterisk; 20/ holds only what differs from 22/."""
    folder = share("asterisk")
    for path in (folder / str(major) / name, folder / "22" / name):
        if path.is_file():
            return path
    raise UserError(f"{folder / '22' / name} is missing: the installation is not complete")


def write(
    folders: Folders, asterisk: Asterisk, ports: Ports, secrets: Secrets, *, scenery: bool = False
) -> None:
    """All of Asterisk's files, anew; with what recordings need besides if `scenery`."""
    top, state = folders.top, folders.state
    for folder in (
        folders.etc,
        folders.log,
        folders.data / "sounds",
        state / "db",
        state / "keys",
        top / "spool/monitor/cordboard",
        top / "cache",  # without it prompts over HTTP fail
    ):
        folder.mkdir(parents=True, exist_ok=True)
    _link_data(folders, asterisk.data)
    shipped = {name: _shipped(name, asterisk.major) for name in _SHIPPED}
    texts = {
        "asterisk.conf": _asterisk_conf(folders, asterisk),
        "modules.conf": _modules_conf(asterisk),
        "logger.conf": _LOGGER,
        "rtp.conf": f"[general]\nrtpstart={ports.rtp[0]}\nrtpend={ports.rtp[1]}\nicesupport=no\n",
        "musiconhold.conf": "[default]\nmode=files\ndirectory=moh\n",
        "res_parking.conf": _PARKING,
        "cordboard-secret.conf": f"secret = {secrets.ami}\n",
        "manager.conf": _manager_conf(shipped["manager.conf"], ports, secrets),
        "extensions.conf": _extensions_conf(shipped["extensions.conf"], ports),
        "queues.conf": _queues_conf(shipped["queues.conf"]),
        "features.conf": f'#include "{shipped["features.conf"]}"\n',
        "voicemail.conf": f'#include "{shipped["voicemail.conf"]}"\n\n'
        f"[default](+)\n{MAILBOX} => ,Support\n",
        "pjsip.conf": _pjsip_conf(shipped["pjsip.conf"], ports, secrets),
        # Asterisk complains at each start about those it looks for and does not find.
        "acl.conf": "",
        "ccss.conf": "",
        "cdr.conf": "[general]\nenable = no\n",
        "cel.conf": "[general]\nenable = no\n",
        "codecs.conf": "",
        "confbridge.conf": CONFBRIDGE,
        "indications.conf": _INDICATIONS,
        "queuerules.conf": "",
        "res_http_media_cache.conf": "[general]\n",
        "http.conf": "[general]\nenabled = no\n",
        "pjproject.conf": "",
        "pjsip_notify.conf": "",
        "pjsip_wizard.conf": "",
        "res_curl.conf": "",
        "sorcery.conf": "",
        "stasis.conf": "",
        "udptl.conf": "",
    }
    if scenery:
        texts["extensions.conf"] += DIALPLAN
        texts["queues.conf"] += QUEUES
        texts["res_parking.conf"] += PARKING
    for name, text in texts.items():
        path = folders.etc / name
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)


def _link_data(folders: Folders, data: Path) -> None:
    """Asterisk's data folder: languages under the names the dialplan knows, and music."""
    sounds = data / "sounds"
    links = {
        folders.data / "documentation": data / "documentation",
        folders.data / "sounds/en": _first(sounds / "en_US_f_Allison", sounds / "en"),
        folders.data / "sounds/ru": _first(sounds / "ru_RU_f_IvrvoiceRU", sounds / "ru"),
        # Without a package of music, some prompt is better than an error in the log each second.
        folders.data / "moh": _first(data / "moh", sounds / "en_US_f_Allison/silence", sounds),
    }
    for link, target in links.items():
        link.unlink(missing_ok=True)
        link.symlink_to(target)


def _first(*paths: Path) -> Path:
    return next((path for path in paths if path.is_dir()), paths[-1])


def _asterisk_conf(folders: Folders, asterisk: Asterisk) -> str:
    return f"""\
[directories]
astetcdir => {folders.etc}
astmoddir => {asterisk.modules}
astvarlibdir => {folders.state}
astdbdir => {folders.state / "db"}
astkeydir => {folders.state}
astdatadir => {folders.data}
astagidir => {folders.state}
astspooldir => {folders.top / "spool"}
astrundir => {folders.run}
astlogdir => {folders.log}
astcachedir => {folders.top / "cache"}
astsbindir => {folders.state}

[options]
live_dangerously = no
"""


def _modules_conf(asterisk: Asterisk) -> str:
    # A member whose extension is missing when app_queue first looks stays Invalid for good:
    # the dialplan comes first.
    lines = ["[modules]", "autoload = no", "preload = pbx_config.so"]
    lines += [
        f"load = {name}.so"
        for name in _MODULES
        if name != "pbx_config" and (asterisk.modules / f"{name}.so").exists()
    ]
    return "\n".join(lines) + "\n"


_LOGGER = """\
[general]
dateformat = %F %T.%3q

[logfiles]
messages => notice,warning,error
"""

_INDICATIONS = """\
[general]
country = ru

[ru]
description = Russia
ringcadence = 1000,4000
dial = 425
busy = 425/350,0/350
ring = 425/1000,0/4000
congestion = 425/175,0/175
callwaiting = 425/200,0/5000
record = 1400/400,0/15000
info = 950/330,1400/330,1800/330,0/1000
"""

_PARKING = """\
[general]

[default]
parkext => 700
parkpos => 701-720
context => cordboard-parked
parkingtime => 300
comebacktoorigin = yes
parkedmusicclass = default
"""


def _manager_conf(shipped: Path, ports: Ports, secrets: Secrets) -> str:
    return f"""\
#include "{shipped}"

[general](+)
port = {ports.ami}

; Sees what cordboard's filters keep away from it: for recordings and for proof.
[raw]
secret = {secrets.raw}
deny = 0.0.0.0/0.0.0.0
permit = {LOOPBACK}/255.255.255.255
read = system,call,agent,user,reporting
write = call,agent,originate,user,reporting
writetimeout = 5000

; Sees each variable that the dialplan sets, and each step that it takes.
[dialplan]
secret = {secrets.raw}
deny = 0.0.0.0/0.0.0.0
permit = {LOOPBACK}/255.255.255.255
read = system,dialplan
writetimeout = 5000
"""


def _extensions_conf(shipped: Path, ports: Ports) -> str:
    return f"""\
#include "{shipped}"

[globals](+)
CB_AGI = agi://{LOOPBACK}:{ports.agi}

; res_parking puts its extensions here, later.
[cordboard-parked]

[cordboard-phones](+)
include => cordboard-parked
"""


def _queues_conf(shipped: Path) -> str:
    lines = [f'#include "{shipped}"']
    for queue, members in MEMBERS.items():
        lines += ["", f"[{queue}](+)"]
        lines += [
            f"member => PJSIP/{phone},{penalty},{PHONES[phone]},PJSIP/{phone}"
            for phone, penalty in members.items()
        ]
    return "\n".join(lines) + "\n"


def _pjsip_conf(shipped: Path, ports: Ports, secrets: Secrets) -> str:
    head = f"""\
#include "{shipped}"

; Everything here comes from one address, so the order matters: a phone is known by its name and
; must prove it, and whatever names no phone is the trunk.
[global]
type = global
endpoint_identifier_order = username,ip

[transport]
type = transport
protocol = udp
bind = {LOOPBACK}:{ports.sip}

[endpoint](!)
type = endpoint
transport = transport
disallow = all
allow = alaw,ulaw
direct_media = no
dtmf_mode = auto_info
timers = no
send_connected_line = no
language = en

[phone](!,cordboard-phone,endpoint)
; SIPp's phones know no session timer, and send no sound unless they are told to.
rtp_timeout = 0
context = cordboard-phones
device_state_busy_at = 1
identify_by = username
call_group = 1
pickup_group = 1

[outside](!,endpoint)
context = cordboard-inbound
identify_by = ip
trust_id_inbound = yes

[inbound](outside)

[inbound]
type = identify
endpoint = inbound
match = {LOOPBACK}

[trunk](outside)
aors = trunk

[trunk]
type = aor
contact = sip:{LOOPBACK}:{ports.mobile}
"""
    phones = (
        f"""
[{phone}](phone)
auth = {phone}
aors = {phone}
callerid = {name} <{phone}>

[{phone}]
type = auth
auth_type = userpass
username = {phone}
password = {secrets.phones[phone]}

[{phone}]
type = aor
max_contacts = 1
remove_existing = yes
qualify_frequency = 0
"""
        for phone, name in PHONES.items()
    )
    return head + "".join(phones)

#!/bin/sh
# What the suite needs of the system, and only an administrator can install: Chromium for the
# browser tests, a PostgreSQL server's programs for the store's tests. As root they are installed;
# otherwise one line says what to type, and the suite does not begin. Programs that speak are
# installed as well where that can be done; the few tests of a real voice are skipped without them.
set -eu

missing=
chromium() { command -v chromium-headless-shell || command -v chromium || command -v chromium-browser || command -v google-chrome; }
postgres() { command -v pg_ctl || ls /usr/lib/postgresql/*/bin/pg_ctl; }
chromium >/dev/null 2>&1 || missing="$missing chromium"
postgres >/dev/null 2>&1 || missing="$missing postgresql"
voices=
command -v espeak-ng >/dev/null 2>&1 || voices=espeak-ng
if [ -n "$voices" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "installing $voices"
    apt-get update -qq >/dev/null 2>&1 || true
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$voices" \
        >/dev/null 2>&1 || echo "no $voices: the tests of its voices are skipped"
fi
[ -z "$missing" ] && exit 0

if ! command -v apt-get >/dev/null 2>&1; then
    echo "the tests need$missing: install them with this system's package manager" >&2
    exit 1
fi
if [ "$(id -u)" != 0 ]; then
    echo "the tests need$missing; type: sudo apt-get install$missing" >&2
    exit 1
fi
echo "installing$missing"
# A new PostgreSQL cluster of the system's is not wanted: the tests make their own.
mkdir -p /etc/postgresql-common/createcluster.d
echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.d/cordboard-tests.conf
apt-get update -qq
install() { DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null; }
# The same engine without windows, where it is packaged, takes half of the processor's time.
case "$missing" in *chromium*)
    install chromium-headless-shell 2>/dev/null && missing=${missing#* chromium} ;;
esac
# shellcheck disable=SC2086  # a list of words
[ -z "$missing" ] || install $missing

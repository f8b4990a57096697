#!/usr/bin/env bash
# Programs outside Python that some tests start: an XRootD server. Without them those tests skip and say why.
set -euo pipefail

missing=()
command -v xrootd >/dev/null || missing+=(xrootd-server xrootd-server-plugins xrootd-plugins)
command -v xrdfs >/dev/null || missing+=(xrootd-client xrootd-client-plugins)
[ ${#missing[@]} = 0 ] && exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing ${missing[*]}"
    if apt-get update -qq &&
        DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${missing[@]}" >/dev/null; then
        exit 0
    fi
    echo "note: could not install them; the tests that need an XRootD server will skip" >&2
else
    echo "note: no XRootD server here, its tests will skip; to run them: apt-get install ${missing[*]}" >&2
fi

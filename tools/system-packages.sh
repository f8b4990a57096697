#!/usr/bin/env bash
# Programs outside Python that some tests start: an XRootD server, a C++ compiler with libraries, a sandbox, a browser.
# Without them those tests skip and say why.
set -euo pipefail

missing=()
command -v xrootd >/dev/null || missing+=(xrootd-server xrootd-server-plugins xrootd-plugins xrootd-scitokens-plugins)
command -v xrdfs >/dev/null || missing+=(xrootd-client xrootd-client-plugins)
command -v cmake >/dev/null || missing+=(cmake)
command -v g++ >/dev/null || missing+=(g++)
command -v make >/dev/null || missing+=(make)
command -v protoc >/dev/null || missing+=(protobuf-compiler)
headers() { find /usr/include /usr/local/include -path "*/$1" -print -quit 2>/dev/null | grep -q .; }
headers google/protobuf/message.h || missing+=(libprotobuf-dev)
headers curl/curl.h || missing+=(libcurl4-openssl-dev)
command -v bwrap >/dev/null || missing+=(bubblewrap)
command -v chromium >/dev/null || missing+=(chromium)
[ ${#missing[@]} = 0 ] && exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "installing ${missing[*]}"
    if apt-get update -qq &&
        DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${missing[@]}" >/dev/null; then
        exit 0
    fi
    echo "note: could not install all of them; the tests that need them will skip" >&2
else
    echo "note: some tests will skip here; to run them: apt-get install ${missing[*]}" >&2
fi

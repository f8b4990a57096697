#!/usr/bin/env bash
# Does the proxy cache work? One line, and exit code 0 if it does, 1 if not. Takes the variables of start.sh, and
#   XCACHE_TEST_FILE  path of a small file that is read through the cache (not needed)
#   XCACHE_MIN_FREE   MiB that must be free on its disk (1024)
set -euo pipefail

export XRD_CONNECTIONWINDOW=5 XRD_CONNECTIONRETRY=1 XRD_REQUESTTIMEOUT=15 XRD_STREAMTIMEOUT=15
server="localhost:${XCACHE_PORT:-1094}"
bad() { echo "cache $server: $1"; exit 1; }

command -v xrdfs >/dev/null || bad "the program xrdfs is not installed; on Debian: apt-get install xrootd-client"
version="$(timeout 20 xrdfs "$server" query config version 2>/dev/null)" || bad "does not answer"
free="$(df --output=avail -m "${XCACHE_FOLDER:?is not set}" | tail -1 | tr -d ' ')"
[ "$free" -ge "${XCACHE_MIN_FREE:-1024}" ] || bad "only $free MiB are free in $XCACHE_FOLDER"
if [ -n "${XCACHE_TEST_FILE:-}" ]; then
    timeout 60 xrdcp --silent --force "root://$server/$XCACHE_TEST_FILE" /dev/null 2>/dev/null ||
        bad "cannot read $XCACHE_TEST_FILE"
fi
echo "cache $server: ok (version ${version//$'\n'/}, $free MiB free)"

#!/usr/bin/env bash
# Start the proxy cache in the foreground, for a service manager or a container. Settings are in the environment:
#   XCACHE_ORIGIN     host:port of the server or redirector behind the cache (needed)
#   XCACHE_FOLDER     where it keeps files and logs (needed)
#   XCACHE_PORT       1094        XCACHE_PATHS  /store     XCACHE_RAM  1g (at least)
#   XCACHE_DISK_LOW   0.85        XCACHE_DISK_HIGH  0.90   shares of the disk
#   XCACHE_USER       xrootd      the user it runs as, if started by root
# Credentials for the origin: X509_USER_PROXY or BEARER_TOKEN_FILE, kept valid by ../credentials.
set -euo pipefail

fail() { echo "error: $1" >&2; exit 2; }

command -v xrootd >/dev/null || fail "the program xrootd is not installed; on Debian: apt-get install xrootd-server xrootd-server-plugins"
[ -n "${XCACHE_ORIGIN:-}" ] || fail "XCACHE_ORIGIN is not set; write host:port of the server behind the cache"
[ -n "${XCACHE_FOLDER:-}" ] || fail "XCACHE_FOLDER is not set; name the folder for what is cached"
export XCACHE_ORIGIN XCACHE_FOLDER
export XCACHE_PORT="${XCACHE_PORT:-1094}" XCACHE_PATHS="${XCACHE_PATHS:-/store}" XCACHE_RAM="${XCACHE_RAM:-1g}"
export XCACHE_DISK_LOW="${XCACHE_DISK_LOW:-0.85}" XCACHE_DISK_HIGH="${XCACHE_DISK_HIGH:-0.90}"
user="${XCACHE_USER:-xrootd}"

mkdir -p "$XCACHE_FOLDER/data" "$XCACHE_FOLDER/admin" "$XCACHE_FOLDER/log" || fail "$XCACHE_FOLDER cannot be written"
options=()
if [ "$(id -u)" = 0 ]; then
    id "$user" >/dev/null 2>&1 || fail "there is no user $user, and xrootd does not run as root; set XCACHE_USER"
    chown "$user": "$XCACHE_FOLDER" "$XCACHE_FOLDER/data" "$XCACHE_FOLDER/admin" "$XCACHE_FOLDER/log"
    options=(-R "$user")
fi
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
cp "$here/xrootd-cache.cfg" "$XCACHE_FOLDER/xrootd-cache.cfg" # which its user can read
cd "$XCACHE_FOLDER"
exec xrootd "${options[@]}" -c "$XCACHE_FOLDER/xrootd-cache.cfg" -l "$XCACHE_FOLDER/log/xrootd.log" -k fifo -n cache

#!/bin/bash
# Runs the shipped unit under a real systemd, from the first start to the last stop.
#
#     tests/systemd_box.sh target/debug/redivis-drop
#
# The systemd is PID 1 of its own namespaces: its root is an overlay of this machine's, with the writable layer in
# memory, and its only network is a loopback of its own. The machine is left as it was. Needs root; where that or the
# kernel's help is missing, it says "skipped: …" and exits 0.
set -euo pipefail

readonly token=box-token-of-no-value
readonly base=http://127.0.0.1:7979/api/v1
readonly service=redivis-drop.service

# ---- Inside the new namespaces: build the root, become systemd ------------------------------------------------------

# An empty tmpfs over each of the given directories that exists: what was wanted there is not wanted here.
empty() {
  local dir
  for dir in "$@"; do
    if [ -d "$dir" ]; then mount -t tmpfs -o mode=755 tmpfs "$dir"; fi
  done
}

boot() {
  local scratch=$1 node
  mount --make-rprivate /
  mount -t tmpfs -o size=1g tmpfs "$scratch"
  mkdir "$scratch"/{upper,work,root}
  mount -t overlay overlay -o "lowerdir=/,upperdir=$scratch/upper,workdir=$scratch/work" "$scratch/root"
  cd "$scratch/root"
  mount -t proc proc proc
  mount -t sysfs -o ro sysfs sys
  mount -t cgroup2 cgroup2 sys/fs/cgroup
  mount -t tmpfs tmpfs run
  mount -t tmpfs -o mode=1777 tmpfs tmp
  mount -t tmpfs -o mode=755 tmpfs dev
  for node in null zero full random urandom tty; do
    touch "dev/$node"
    mount --bind "/dev/$node" "dev/$node"
  done
  touch dev/console
  mount --bind /dev/null dev/console
  mkdir dev/shm dev/pts
  mount -t tmpfs -o mode=1777 tmpfs dev/shm
  mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
  ln -s pts/ptmx dev/ptmx
  # Nothing of this machine's own is started: no disk, timer, device manager or network service.
  empty {etc,lib}/systemd/system/{sysinit,local-fs,network,network-online}.target.wants var/log/journal
  ln -s /lib/systemd/system/systemd-journald.service lib/systemd/system/sysinit.target.wants/
  : >etc/fstab
  mkdir old
  pivot_root . old
  umount -l /old
  mount --make-rshared / # credentials are placed by mount propagation
  exec env -i container=unshare PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd --system --unit=sysinit.target --log-target=journal </dev/null >/dev/null 2>&1
}

if [ "${1:-}" = --boot ]; then boot "$2"; fi

# ---- Outside: what it takes ------------------------------------------------------------------------------------------

skip() {
  echo "skipped: $*"
  exit 0
}

binary=$(realpath -e "${1:?usage: systemd_box.sh BINARY}")
repository=$(realpath "$(dirname "$0")/..")
[ "$(id -u)" = 0 ] || skip "needs root"
for command in unshare nsenter curl timeout findmnt; do
  command -v "$command" >/dev/null || skip "$command is not installed"
done
[ -x /lib/systemd/systemd ] || skip "systemd is not installed"
unshare --mount --pid --fork --uts --ipc --net --cgroup true 2>/dev/null || skip "the kernel gives no new namespaces"
grep -qw overlay /proc/filesystems || modprobe overlay 2>/dev/null || skip "the kernel has no overlay file system"
unified=$(findmnt --noheadings --types cgroup2 --output TARGET --first-only) || skip "there is no unified cgroup tree"

cgroup=$unified/redivis-drop-box.$$
mkdir "$cgroup" 2>/dev/null || skip "no cgroup can be made below $unified"
scratch=$(mktemp -d)
namespaces='' # the process whose end ends the box

clean() {
  local status=$?
  # the last words go to a person, so they are cut to what a person reads
  if [ "$status" != 0 ] && [ -n "${pid1:-}" ]; then
    echo "---- the box's journal:" >&2
    inside journalctl --no-pager --lines=60 >&2 || true
  fi
  if [ -n "$namespaces" ]; then
    kill -KILL "$namespaces" 2>/dev/null || true
    wait "$namespaces" 2>/dev/null || true
  fi
  # a killed process leaves its cgroup a moment later
  for _ in $(seq 50); do
    find "$cgroup" -depth -type d -exec rmdir {} + 2>/dev/null && break
    sleep 0.1
  done
  rmdir "$scratch"
  exit "$status"
}
trap clean EXIT

# ---- Words of the story below ----------------------------------------------------------------------------------------

step() { echo "box: $*"; }

# said PATTERN COMMAND …: whether the output of the command has the pattern. It is read to its end first: a `grep
# --quiet` at the end of a pipe leaves at the first hit, and with `pipefail` the hit then counts as none if the command
# was still writing.
said() {
  local pattern=$1 output
  shift
  output=$("$@" 2>/dev/null | tr '\0' '\n') || true
  grep --quiet --ignore-case --extended-regexp -- "$pattern" <<<"$output"
}

fail() {
  echo "box: FAILED: $*" >&2
  exit 1
}

inside() { timeout 120 nsenter --target "$pid1" --all -- "$@"; }

put() { inside install -D --mode="$3" /dev/stdin "$2" <"$1"; } # put FILE TARGET MODE

write() { inside install -D --mode="$2" /dev/stdin "$1"; } # write TARGET MODE <text

property() { inside systemctl show --value --property="$1" "$service"; }

expect() { # expect WHAT WANTED HAVE
  [ "$2" = "$3" ] || fail "$1 is \"$3\", not \"$2\""
  echo "     $1: $3"
}

# Waits for a condition that comes by itself, at most so many seconds; the command is tried five times a second.
within() {
  local seconds=$1
  shift
  for _ in $(seq $((seconds * 5))); do
    if "$@"; then return 0; fi
    sleep 0.2
  done
  return 1
}

registered() { inside curl --silent --show-error --fail --max-time 10 http://127.0.0.1:7979/_sandbox/registered; }

# registered_is NAME SIZE MD5: exactly one entry of that name, with that size and md5.
registered_is() {
  registered 2>/dev/null | python3 -c '
import json, sys
name, size, md5 = sys.argv[1:]
found = [entry for entry in json.load(sys.stdin) if entry["name"].endswith(name)]
good = [entry for entry in found if str(entry["size"]) == size and entry["md5"] == md5]
sys.exit(0 if len(found) == len(good) == 1 else 1)' "$@" 2>/dev/null
}

# drop NAME BYTES: writes a file as an instrument would, then waits until the server has it, unchanged.
drop() {
  local name=$1 bytes=$2 md5
  inside bash -c "head -c $bytes /dev/urandom >/srv/drops/box/$name"
  md5=$(inside md5sum "/srv/drops/box/$name" | cut -d' ' -f1)
  within 60 registered_is "$name" "$bytes" "$md5" || fail "$name was not registered in a minute: $(registered)"
  echo "     $name: $bytes bytes, md5 $md5, registered once"
}

refused_with() { # refused_with STATUS WORD: the start fails with this exit status, says so, and is not repeated
  if inside systemctl start "$service" 2>/dev/null; then fail "the start succeeded"; fi
  expect "exit status" "$1" "$(property ExecMainStatus)"
  expect "state" failed "$(property ActiveState)"
  expect "restarts" 0 "$(property NRestarts)"
  said "$2" inside journalctl --unit "$service" --output cat --no-pager ||
    fail "the journal does not mention \"$2\""
  inside systemctl reset-failed "$service"
}

# ---- Boot and install ------------------------------------------------------------------------------------------------

step "booting systemd"
# in a cgroup of its own, so that the box's systemd sees nothing of this machine's tree
(
  echo "$BASHPID" >"$cgroup/cgroup.procs"
  exec unshare --mount --pid --fork --uts --ipc --net --cgroup --kill-child bash "$0" --boot "$scratch"
) </dev/null &
namespaces=$!
child() { pid1=$(tr -d ' ' <"/proc/$namespaces/task/$namespaces/children" 2>/dev/null) && [ -n "$pid1" ]; }
within 5 child || fail "the namespaces did not come up"
is_up() { said '^(running|degraded)$' inside systemctl is-system-running; }
within 30 is_up || fail "systemd did not come up"
inside python3 - <<'PYTHON'
import fcntl, socket, struct
SIOCSIFFLAGS, IFF_UP_LOOPBACK_RUNNING = 0x8914, 0x49
fcntl.ioctl(socket.socket(), SIOCSIFFLAGS, struct.pack("16sH14s", b"lo", IFF_UP_LOOPBACK_RUNNING, b""))
PYTHON

step "installing"
put "$binary" /usr/bin/redivis-drop 755
put "$repository/systemd/redivis-drop.service" "/etc/systemd/system/$service" 644
put "$repository/systemd/redivis-drop.sysusers.conf" /usr/lib/sysusers.d/redivis-drop.conf 644
inside systemd-sysusers redivis-drop.conf
inside install -d -m 2770 -o root -g redivis-drop /srv/drops/box
# the unit as shipped, but for the pause before a restart, which a test need not sit out
write "/etc/systemd/system/$service.d/box.conf" 644 <<<$'[Service]\nRestartSec=1s'
inside systemctl daemon-reload
verdict=$(inside systemd-analyze verify "/etc/systemd/system/$service" 2>&1) || true
expect "complaints of systemd-analyze verify" "" "$verdict"

# ---- The story -------------------------------------------------------------------------------------------------------

step "no configuration: refused, once, with status 78"
refused_with 78 config.toml

write /etc/redivis-drop/config.toml 644 <<CONFIG
[redivis]
endpoint = "$base"

[[watch]]
name = "box"
path = "/srv/drops/box"
table = "my_lab.sequencing:next.raw_reads"
settle = "1s"
CONFIG

step "no token: refused, once, with status 4 and our own words, not systemd's 243"
refused_with 4 token

step "first start"
# with a description, because systemd would otherwise log the command line, and the token with it
inside systemd-run --quiet --unit=sandbox --description="practice server" /usr/bin/redivis-drop sandbox \
  --listen 127.0.0.1:7979 --dir /var/lib/sandbox --token "$token"
sandbox_answers() { registered >/dev/null 2>&1; }
within 20 sandbox_answers || fail "the practice server does not answer"
write /etc/redivis-drop/token 600 <<<"$token"
inside systemctl start "$service" # returns at READY=1, or fails
expect "state" active "$(property ActiveState)"
[ -n "$(property StatusText)" ] || fail "the daemon says nothing of itself (STATUS=)"
echo "     status: $(property StatusText)"
drop first.bin 300001
expect "state directory" "700 redivis-drop" "$(inside stat --format '%a %U' /var/lib/redivis-drop)"
expect "journal" "600 redivis-drop" "$(inside stat --format '%a %U' /var/lib/redivis-drop/journal.db)"
main=$(property MainPID)
surroundings=("/proc/$main/cmdline" "/proc/$main/environ")
said redivis-drop inside cat "${surroundings[@]}" || fail "the arguments and the environment cannot be read"
if said "$token" inside cat "${surroundings[@]}"; then fail "the token is in the arguments or the environment"; fi

step "reload: the same process goes on"
inside systemctl reload "$service"
drop second.bin 1
expect "main process" "$main" "$(property MainPID)"

step "reload with a broken configuration: the old one goes on"
inside cp /etc/redivis-drop/config.toml /etc/redivis-drop/config.good
write /etc/redivis-drop/config.toml 644 <<<'[redivis'
inside systemctl reload "$service" || true
drop third.bin 65536
expect "main process" "$main" "$(property MainPID)"
inside mv /etc/redivis-drop/config.good /etc/redivis-drop/config.toml

step "restart: nothing is carried twice"
inside systemctl restart "$service"
drop fourth.bin 0
expect "registered files" 4 "$(registered | python3 -c 'import json, sys; print(len(json.load(sys.stdin)))')"
expect "restarts by systemd" 0 "$(property NRestarts)"

step "killed: systemd starts it again"
inside systemctl kill --signal=KILL --kill-who=main "$service"
restarted() { [ "$(property NRestarts)" = 1 ] && [ "$(property ActiveState)" = active ]; }
within 30 restarted || fail "it was not started again: $(property ActiveState), $(property NRestarts) restarts"
drop fifth.bin 70000

step "stop"
SECONDS=0
inside systemctl stop "$service"
[ "$SECONDS" -le 10 ] || fail "the stop took $SECONDS s"
expect "result" success "$(property Result)"
expect "state" inactive "$(property ActiveState)"
said 'fifth\.bin' inside journalctl --no-pager || fail "the journal cannot be read to its end"
if said "$token" inside journalctl --no-pager; then fail "the token is in the journal"; fi

step "fine"

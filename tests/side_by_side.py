#!/usr/bin/env python3
"""What goes wrong, done to two clients: the official Python client and redivis-drop.

Each line of the table that this prints is one thing that goes wrong, by a script of the practice server or by
somebody who changes the file meanwhile. Each client gets a server and a folder of its own. What the server has
registered in the end is the judge; what the client says of itself only decides whether a loss was silent.

    PYTHON=… REDIVIS_DROP=… tests/side_by_side.sh        # makes both if they are not named
    … tests/side_by_side.sh --all                        # also what takes longer than two minutes

The server is lenient, as Google's storage is: a plain PUT of another size than was reserved is stored.
Exit code 1: redivis-drop lost a file silently, or ended otherwise than with every file in its place.
"""

import argparse
import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Optional

TOKEN = "practice"
# The official client opens a resumable session above 50,000,000 bytes; the configuration below says the same.
LARGE = 52_000_000
MIDDLE = 20_000_000
SMALL = 5_000
# How fast the server reads, a second: time to do something to a file that is on its way.
SPEED = "40MB"
# A client that has not ended by then is killed.
PATIENCE = 95
# Our own longest wait for an answer is 120 s.
MORE_PATIENCE = 180

ADD_FILES = """
import sys, redivis
table = redivis.organization("lab").dataset("practice", version="next").table("raw")
table.add_files(directory=sys.argv[1], progress=False)
"""

# What add_files would do with an empty file above its limit, if that could be.
EMPTY_SESSION = """
import sys, os, redivis
from redivis.common.api_request import make_request
from redivis.common.retryable_upload import perform_resumable_upload
table = redivis.organization("lab").dataset("practice", version="next").table("raw")
[name] = os.listdir(sys.argv[1])
wanted = {"tempUploads": [{"name": name, "size": 0, "resumable": True}]}
[temp] = make_request(method="POST", path=f"{table.uri}/tempUploads", payload=wanted)["results"]
with open(os.path.join(sys.argv[1], name), "rb") as data:
    perform_resumable_upload(data=data, temp_upload_url=temp["url"])
files = {"files": [{"name": name, "tempUploadId": temp["id"]}]}
make_request(method="POST", path=f"{table.uri}/rawFiles", payload=files)
"""


# ---- what goes wrong


@dataclass
class Wrong:
    """One thing that goes wrong."""

    what: str
    size: int = SMALL
    faults: list = field(default_factory=list)
    # Done to the file as soon as the server's report says that it is time.
    deed: Optional[Callable] = None
    when: Optional[Callable] = None
    # Somebody ends the client by SIGKILL instead, and starts it again.
    kill: bool = False
    # A run that failed is started once more, as a person would.
    again: bool = False
    program: str = ADD_FILES
    takes_long: bool = False


def fault(call, action, **more):
    return {"call": call, "action": action, **more}


def answer(status, **headers):
    return {"answer": {"status": status, "headers": headers}}


def rewrite(path):
    """Other bytes, as many, in the same place."""
    with open(path, "r+b") as file:
        file.write(content(path.stat().st_size, "another run"))


def grow(path):
    with open(path, "ab") as file:
        file.write(content(100_000, "more"))


def bytes_came(count):
    return lambda report: report["bytes_received"] > count


def fault_happened(report):
    return not report["faults_pending"]


WRONGS = [
    Wrong("nothing"),
    Wrong("503 to a plain PUT", faults=[fault("put", answer(503))]),
    Wrong(
        "429 with `Retry-After: 3` to a plain PUT",
        faults=[fault("put", {"rate_limit": "3"})],
    ),
    Wrong(
        "the connection breaks in a plain PUT",
        size=MIDDLE,
        faults=[fault("put", {"cut_after": 5_000_000})],
    ),
    Wrong(
        "the answer to a plain PUT is lost",
        faults=[fault("put", "cut_before_reply")],
    ),
    Wrong("308 to a plain PUT, nothing stored", faults=[fault("put", answer(308))]),
    Wrong(
        "302 to a login page",
        faults=[fault("put", answer(302, Location="{trap}"))],
    ),
    Wrong(
        "308 to a chunk of which a part was stored",
        size=LARGE,
        faults=[fault("chunk", {"persist_only": 10_000_000})],
    ),
    Wrong(
        "308 with all bytes, the object not made yet",
        size=LARGE,
        faults=[fault("chunk", {"persist_only": LARGE}, times=2)],
    ),
    Wrong(
        "the connection breaks in a session",
        size=LARGE,
        faults=[fault("chunk", {"cut_after": 20_000_000})],
    ),
    Wrong(
        "the connection breaks in a session, and the file is rewritten before it goes on",
        size=LARGE,
        faults=[fault("chunk", {"cut_after": 20_000_000})],
        deed=rewrite,
        when=fault_happened,
    ),
    Wrong(
        "the file is rewritten while it is sent",
        size=LARGE,
        deed=rewrite,
        when=bytes_came(5_000_000),
    ),
    Wrong(
        "the file grows while it is sent by a plain PUT",
        size=MIDDLE,
        deed=grow,
        when=bytes_came(2_000_000),
    ),
    Wrong(
        "the file grows while it is sent in a session",
        size=LARGE,
        deed=grow,
        when=bytes_came(5_000_000),
    ),
    Wrong(
        "404 in a session: it is gone",
        size=LARGE,
        faults=[fault("chunk", {"expire_session": 404})],
    ),
    Wrong(
        "410 in a session: it is gone",
        size=LARGE,
        faults=[fault("chunk", {"expire_session": 410})],
    ),
    Wrong("an empty file", size=0),
    Wrong("an empty file in a session", size=0, program=EMPTY_SESSION),
    Wrong(
        "the server stops reading",
        size=MIDDLE,
        faults=[fault("put", {"stall": {"after": 1_000_000}})],
    ),
    Wrong(
        "the server never answers",
        faults=[fault("put", "never_reply")],
        takes_long=True,
    ),
    Wrong(
        "429 with `Retry-After: 3` to the registration",
        faults=[fault("rawFiles", {"rate_limit": "3"})],
    ),
    Wrong(
        "the answer to the registration is lost; who failed is started again",
        faults=[fault("rawFiles", "cut_before_reply")],
        again=True,
    ),
    Wrong(
        "`kill -9` in a session, started again",
        size=LARGE,
        when=bytes_came(20_000_000),
        kill=True,
    ),
]


# ---- the server


class Server:
    """A practice server of its own, with uploads on another origin than the API."""

    def __init__(self, program, folder):
        self.out = folder / "server.out"
        command = [program, "sandbox", "--listen", "127.0.0.1:0", "--upload-listen", "127.0.0.1:0", "--lenient"]
        command += ["--bytes-per-sec", SPEED, "--dir", folder / "server", "--token", TOKEN]
        with open(self.out, "wb") as out:
            self.process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
        self.endpoint = wait(self.find_endpoint, 30)
        self.root = self.endpoint.removesuffix("/api/v1")

    def find_endpoint(self):
        for line in self.out.read_text().splitlines():
            if line.startswith("listening on "):
                return line.removeprefix("listening on ")
        return None

    def script(self, faults):
        text = json.dumps(faults).replace("{trap}", f"{self.root}/_sandbox/trap")
        self.ask("faults", text.encode())

    def ask(self, what, body=None):
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"{self.root}/_sandbox/{what}", data=body, timeout=30) as reply:
            return json.load(reply)

    def end(self):
        self.process.kill()
        self.process.wait()


# ---- the clients


class Official:
    """The official Python client."""

    def __init__(self, arguments, server, folder, wrong):
        self.command = [arguments.python, "-c", wrong.program, folder / "drop"]
        self.server = server

    def start(self, log):
        return start(self.command, self.server, log)


class Ours:
    """redivis-drop, with its defaults as far as the comparison allows."""

    def __init__(self, arguments, server, folder, _wrong):
        config = folder / "config.toml"
        config.write_text(
            f'[redivis]\ntoken_file = ""\n\n'
            f'[journal]\npath = "{folder}/state/journal.db"\n\n'
            f'[transfer]\nresumable_above = "50 MB"\n\n'
            f'[[watch]]\nname = "drop"\npath = "{folder}/drop"\n'
            f'table = "lab.practice:next.raw"\nsettle = "1s"\n'
        )
        self.command = [arguments.redivis_drop, "--config", config, "run", "--once"]
        self.server = server

    def start(self, log):
        return start(self.command, self.server, log)


def start(command, server, log):
    environment = dict(
        os.environ,
        REDIVIS_API_ENDPOINT=server.endpoint,
        REDIVIS_API_TOKEN=TOKEN,
        NO_PROXY="127.0.0.1",
        no_proxy="127.0.0.1",
    )
    return subprocess.Popen(command, env=environment, stdout=log, stderr=log)


# ---- one run


@dataclass
class Outcome:
    """What came of it. A loss is silent when the client says that all is well."""

    text: str
    good: bool
    silent_loss: bool = False
    duplicate: bool = False
    token_seen: int = 0


def run(arguments, client, wrong):
    with tempfile.TemporaryDirectory(prefix="side-by-side-") as folder:
        folder = Path(folder)
        path = folder / "drop" / "run.fastq"
        path.parent.mkdir()
        path.write_bytes(content(wrong.size, "a run"))
        versions = [version(path)]
        server = Server(arguments.redivis_drop, folder)
        try:
            server.script(wrong.faults)
            with open(folder / "log", "wb") as log:
                code = live(client(arguments, server, folder, wrong), server, wrong, path, versions, log)
            outcome = judge(server, wrong, versions, code)
            if arguments.verbose:
                words = (folder / "log").read_text(errors="replace")[-1500:]
                print(f"\n== {wrong.what}: {client.__name__}: {outcome}\n{words}", file=sys.stderr)
            return outcome
        finally:
            server.end()


def live(client, server, wrong, path, versions, log):
    """The client's exit code; `None` if it had to be killed."""
    process = client.start(log)
    if wrong.when:
        # a client that ends before it is time has made up its mind
        wait(lambda: wrong.when(server.ask("report")) or process.poll() is not None, PATIENCE)
    if wrong.kill:
        process.send_signal(signal.SIGKILL)
        process.wait()
        process = client.start(log)
    if wrong.deed:
        wrong.deed(path)
        versions.append(version(path))
    code = end_of(process, wrong)
    if wrong.again and code not in (0, None):
        code = end_of(client.start(log), wrong)
    return code


def end_of(process, wrong):
    try:
        return process.wait(MORE_PATIENCE if wrong.takes_long else PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return None


def judge(server, wrong, versions, code):
    held = [(file["size"], file["md5"]) for file in server.ask("registered")]
    report = server.ask("report")
    followed = any(one["kind"] == "followed-redirect" for one in report["violations"])
    what, right = compare(held, versions)
    if wrong.kill and right:
        again = max(0, report["bytes_received"] - wrong.size)
        what += f", {again / 1e6:.1f} MB of {wrong.size / 1e6:.0f} MB sent twice"
    if followed:
        what += "; the redirect was followed"
    outcome = Outcome(what, good=False, token_seen=report["token_seen_elsewhere"])
    if code is None:
        patience = MORE_PATIENCE if wrong.takes_long else PATIENCE
        outcome.text = f"no end, killed after {patience} s: {what}"
    elif code != 0:
        outcome.text = f"loud error: {what}"
    elif right:
        outcome.good = True
    elif len(set(held)) < len(held):
        outcome.duplicate = True
        outcome.text = f"**duplicate**: {what}"
    else:
        outcome.silent_loss = True
        outcome.text = f"**silent loss**: {what}"
    return outcome


def compare(held, versions):
    """What the table holds of the file, in words, and whether that is right."""
    newest = versions[-1]
    if not held:
        return "not registered", False
    if len(set(held)) < len(held):
        return f"registered {len(held)} times", False
    strange = [one for one in held if one not in versions]
    if strange:
        size = strange[0][0]
        if size == newest[0]:
            return "registered with bytes of two versions", False
        return f"{size:,} of {newest[0]:,} bytes registered", False
    if newest not in held:
        return "only the version of before is registered", False
    return "whole and right", True


def version(path):
    data = path.read_bytes()
    return (len(data), hashlib.md5(data).hexdigest())


def content(length, seed):
    """So many bytes, the same in every run and different for every seed."""
    block = hashlib.shake_256(seed.encode()).digest(min(length, (1 << 20) + 1))
    return (block * (length // max(len(block), 1) + 1))[:length]


def wait(ready, patience):
    """Waits until there is an answer, and no longer than that."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        found = ready()
        if found:
            return found
        time.sleep(0.02)
    return None


# ---- the table


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--redivis-drop", required=True)
    parser.add_argument("--python", required=True, help="an interpreter that has the official client")
    parser.add_argument("--all", action="store_true", help="also what takes longer than two minutes")
    parser.add_argument("--only", help="lines with this text")
    parser.add_argument("--at-a-time", type=int, default=12)
    parser.add_argument("--verbose", action="store_true")
    arguments = parser.parse_args()
    command = [arguments.python, "-c", "import redivis; print(redivis.__version__)"]
    official = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    wrongs = [wrong for wrong in WRONGS if arguments.all or not wrong.takes_long]
    wrongs = [wrong for wrong in wrongs if not arguments.only or arguments.only in wrong.what]
    with ThreadPoolExecutor(arguments.at_a_time) as pool:
        # they mostly wait; what waits longest begins first
        order = sorted(wrongs, key=lambda wrong: ("session" not in wrong.what, "stops" not in wrong.what))
        runs = {}
        for wrong in order:
            runs[wrong.what] = [pool.submit(run, arguments, client, wrong) for client in (Official, Ours)]
        rows = [(wrong, *[one.result() for one in runs[wrong.what]]) for wrong in wrongs]

    print(f"| What goes wrong | official Python client {official} | redivis-drop |")
    print("|---|---|---|")
    for wrong, theirs, ours in rows:
        print(f"| {wrong.what} | {theirs.text} | {ours.text} |")
    theirs = sum(theirs.token_seen for _, theirs, _ in rows)
    ours = sum(ours.token_seen for _, _, ours in rows)
    print(f"| the upload host is not the API's: requests that show it the token | {theirs} | {ours} |")
    for what in ("silent_loss", "duplicate"):
        theirs = sum(getattr(theirs, what) for _, theirs, _ in rows)
        lost = sum(getattr(outcome, what) for _, _, outcome in rows)
        name = {"silent_loss": "silent losses", "duplicate": "duplicates"}[what]
        print(f"| **{name}** | **{theirs}** | **{lost}** |")
    bad = [wrong.what for wrong, _, outcome in rows if not outcome.good]
    if bad or ours:
        sys.exit(f"redivis-drop: {len(bad)} not good ({'; '.join(bad)}), {ours} tokens shown")


if __name__ == "__main__":
    main()

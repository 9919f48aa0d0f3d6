# SPDX-License-Identifier: MIT
"""What the suites of other programs share: named commands run one by one in a machine, and what came of them.

A suite is a module of this directory that holds SUITE = Suite(...); tests/suites/run runs it on a kernel,
tests/suites/compare sets the results of both side by side in docs/suites.md.

Each command is a session of its own in the guest, with a limit of time.  A command that takes the machine with it
(panic, hang) costs a new machine and is marked so.  Results go, a JSON line each, to build/suites/SUITE-KERNEL.jsonl;
the whole output of each to build/suites/SUITE-KERNEL/NAME.log.
"""
import base64
import binascii
import gzip
import hashlib
import json
import os
import re
import shlex
import sys
import time

TOP = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
sys.path.insert(0, os.path.join(TOP, "tests", "guest"))
import lab  # noqa: E402
import vm as guest  # noqa: E402

BUILD = os.path.join(TOP, "build")
OUT = os.path.join(BUILD, "suites")
KERNELS = {"maestro": os.path.join(BUILD, "maestro.elf"), "linux": os.path.join(BUILD, "linux", "vmlinuz")}
# The guest's time is told by instructions, 2 ns each, so that limits of time inside it say something of the kernel and not of what else
# the host does; while the guest is idle its time is the host's.
ICOUNT = "shift=1,sleep=on"
PASS, FAIL, SKIP, TIMEOUT, DIED = "pass", "FAIL", "skip", "TIMEOUT", "DIED"
# The loopback device is there where a kernel has one; the whole suite is as unprivileged as its commands ask for. Programs lie at the same
# addresses each time: the emulator translates code again wherever it is met, which is most of the time of a short program.
PREPARE = ("echo 0 >/proc/sys/kernel/randomize_va_space; "
           "for i in 0:stdin 1:stdout 2:stderr; do [ -e /dev/${i#*:} ] || ln -s /proc/self/fd/${i%:*} /dev/${i#*:}; done; "
           "mkdir -p /dev/shm /dev/mqueue; mount -t tmpfs -o mode=1777 tmpfs /dev/shm; mount -t mqueue mqueue /dev/mqueue; "
           "umount /tmp; chmod 1777 /tmp; hostname guest; ulimit -c 0; export LC_ALL=C.UTF-8; "
           "busybox ip link set lo up 2>/dev/null; true")


class Suite:
    """One program's tests.

    name       of the suite, its files and its section in docs/suites.md
    title      of that section
    image      root image
    names()    the names of all commands, most wanted first
    command(n) what the guest's shell runs for a name; its output and status are the result
    judge(status, out) gives (verdict, facts): PASS, FAIL or SKIP, and a dict of what the comparison wants
    limit(n)   seconds of the guest
    user       run as this user; None: as root; or a function of the name that gives it
    setup      shell commands for a new machine, after PREPARE
    disk       an image that is mounted at /suite; what is written to it is forgotten, as with the root
    groups     where starting costs more than testing: groups(names) gives lists of names that one command may run together,
               command(*names); passed(out) gives {name: (seconds of the guest, part of the output)} of those that certainly passed.
               The others are run by themselves
    """

    def __init__(self, name, title, image, names, command, judge=None, limit=lambda name: 300, user="user",
                 setup="true", mem=1024, disk=None, groups=lambda names: [], passed=None):
        self.name, self.title, self.image, self.names, self.command = name, title, image, names, command
        self.judge = judge or (lambda status, out: (FAIL if status else PASS, {}))
        self.limit, self.setup, self.mem, self.disk = limit, setup, mem, disk
        self.user = user if callable(user) else lambda name: user
        self.groups, self.passed = groups, passed


def identity(kernel):
    with open(KERNELS[kernel], "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()[:16]


def results_path(suite, kernel):
    return os.path.join(OUT, "%s-%s.jsonl" % (suite, kernel))


def results(suite, kernel):
    """{name: the last result}"""
    found = {}
    try:
        with open(results_path(suite, kernel)) as f:
            for line in f:
                row = json.loads(line)
                found[row["name"]] = row
    except FileNotFoundError:
        pass
    return found


def log_path(suite, kernel, name):
    return os.path.join(OUT, "%s-%s" % (suite, kernel), name.replace("/", "_") + ".log")


def add_result(suite, kernel, row):
    with open(results_path(suite, kernel), "a") as f:
        f.write(json.dumps(row) + "\n")


def judge_again(suite, kernel):
    """What suite.judge() says now of the outputs that are there."""
    for row in results(suite.name, kernel).values():
        if row["verdict"] in (DIED, TIMEOUT):
            continue
        with open(log_path(suite.name, kernel, row["name"])) as f:
            verdict, facts = suite.judge(row["status"], f.read())
        new = {k: row[k] for k in ("name", "kernel", "status", "seconds")} | {"verdict": verdict, **facts}
        if new != row:
            add_result(suite.name, kernel, new)


class Runner:
    """Runs commands of a suite on a kernel, with a new machine where the old one is lost."""

    def __init__(self, suite, kernel, append="", elf=None):
        self.suite, self.kernel, self.append, self.elf = suite, kernel, append, elf
        self.id, self.machine = None, None
        os.makedirs(os.path.join(OUT, "%s-%s" % (suite.name, kernel)), exist_ok=True)

    def boot(self):
        self.id = identity(self.kernel)     # it may be built anew while a suite runs
        quiet = "" if self.kernel == "linux" else "loglevel=3 "
        extra = ["-drive", "file=%s,format=raw,if=virtio,snapshot=on" % self.suite.disk] if self.suite.disk else []
        self.machine = guest.VM(self.kernel, self.suite.image, init="/bin/bash", mem=self.suite.mem, elf=self.elf, extra=extra, icount=ICOUNT,
                                append=quiet + self.append, log="suite-%s-%s" % (self.suite.name, self.kernel))
        lab.prepare(self.machine, 300)
        self.machine.run(PREPARE)
        if self.suite.disk:
            self.machine.check("mkdir -p /suite && mount -t ext2 /dev/vdb /suite")
        self.machine.check(self.suite.setup, 300)

    def lose(self):
        if self.machine:
            self.machine.quit()
        self.machine = None

    def output(self):
        """What the command said; it travels packed, since a terminal would change it."""
        for attempt in range(3):
            text, _ = self.machine.run("tail -c 4000000 /run/said | gzip -9 | base64 -w 120", 120)
            packed = "".join(re.findall(r"(?m)^[A-Za-z0-9+/=]+$", text))
            try:
                return gzip.decompress(base64.b64decode(packed)).decode("utf-8", "replace")
            except (binascii.Error, OSError, EOFError):
                pass    # a line of the kernel came between
        return "(the output could not be read)"

    def guest_command(self, names, limit):
        user = self.suite.user(names[0])
        become = "setpriv --reuid %s --regid %s --init-groups env -i HOME=/home/%s USER=%s LOGNAME=%s " \
            "PATH=/usr/local/bin:/usr/bin:/bin LC_ALL=C.UTF-8 TERM=dumb " % ((user,) * 5) if user else ""
        inner = "cd /tmp && exec setsid -w timeout -k 10 %d %ssh -c %s" % (limit, become, shlex.quote(self.suite.command(*names)))
        return "(%s) </dev/null >/run/said 2>&1" % inner

    def clean(self, name):
        """Away with what the command left behind."""
        sweep = "find /tmp /dev/shm /dev/mqueue -mindepth 1 -delete 2>/dev/null; true"
        user = self.suite.user(name)
        if user:
            sweep = "setpriv --reuid %s --clear-groups sh -c 'kill -9 -1' 2>/dev/null; " % user + sweep
        self.machine.run(sweep, 120)

    def execute(self, names, limit):
        """One command; gives (seconds, status, output), the status None where it took the machine with it."""
        start = time.monotonic()
        try:
            if not self.machine:
                self.boot()
                start = time.monotonic()
            _, status = self.machine.run(self.guest_command(names, limit), 3 * limit + 300)
            took = time.monotonic() - start
            out = self.output()
            self.clean(names[0])
        except (guest.Timeout, guest.Died) as e:
            took, status, out = time.monotonic() - start, None, str(e) + "\n"
            self.lose()
        return took, status, out

    def record(self, name, took, status, out, verdict, facts):
        with open(log_path(self.suite.name, self.kernel, name), "w") as f:
            f.write(out)
        row = {"name": name, "kernel": self.id, "verdict": verdict, "status": status, "seconds": round(took, 1), **facts}
        add_result(self.suite.name, self.kernel, row)
        return row

    def one(self, name):
        limit = self.suite.limit(name)
        took, status, out = self.execute([name], limit)
        if status is None:
            return self.record(name, took, -1, out, DIED, {})
        verdict, facts = self.suite.judge(status, out)
        if status in (124, 137) and took >= limit / 2:
            verdict = TIMEOUT
        return self.record(name, took, status, out, verdict, facts)

    def group(self, names):
        """Rows of those that passed when they ran together."""
        _, status, out = self.execute(names, sum(map(self.suite.limit, names)))
        passed = {} if status is None else self.suite.passed(out)
        return [self.record(name, own, 0, said, *self.suite.judge(0, said)) for name, (own, said) in passed.items()]

    def every(self, todo):
        """All of these, a row each."""
        done = set()
        first = {names[0]: names for names in self.suite.groups(todo)}
        for name in todo:
            for row in self.group(first[name]) if name in first else ():
                done.add(row["name"])
                yield row
            if name not in done:
                yield self.one(name)

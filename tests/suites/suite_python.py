# SPDX-License-Identifier: MIT
"""CPython's own regression tests (Debian's libpython3.11-testsuite), a module at a time, as an ordinary user.

No resource is asked for (`-u`), as regrtest does by itself: no network, no gigabytes of disk or memory.
"""
import os
import re
import subprocess

import suite

IMAGE = os.path.join(suite.BUILD, "suites.ext2")
TESTS = "/usr/lib/python3.11/test"
# What leans on the kernel, before all others.
FIRST = """os posix signal subprocess threading thread mmap select selectors poll epoll fcntl pty shutil tempfile io time
resource wait3 wait4 fork1 popen pathlib glob stat fileio largefile mailbox socket faulthandler eintr threadsignals
posixpath pwd grp openpty ioctl curses readline tty termios zipfile tarfile sqlite3 dbm venv cmd_line site import
file_eintr file fileutils fileinput getpass filecmp pipes genericpath spwd syslog sys ctypes platform
timeout socketserver support regrtest logging asyncore asynchat ssl random uuid queue sched""".split()
# Packages too long for one limit are run by their own modules.
SPLIT = ("test_asyncio",)
# Minutes on any machine: last.
LAST = ("test_concurrent_futures", "test_multiprocessing_fork", "test_multiprocessing_forkserver", "test_multiprocessing_spawn",
        "test_tools", "test_lib2to3", "test_idle", "test_unicodedata", "test_decimal", "test_zipfile64", "test_statistics")
LONG = 900
# Modules that one interpreter runs after each other, where each has little to do.
TOGETHER = 8
UNITS = {"hour": 3600, "min": 60, "sec": 1, "ms": 0.001}


def listing(path):
    """Names in a directory of the image."""
    out = subprocess.run(["debugfs", "-R", "ls -p " + path, IMAGE], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                         text=True, check=True).stdout
    return [line.split("/")[5] for line in out.splitlines() if line.startswith("/")]


def names():
    found = sorted({n[:-3] if n.endswith(".py") else n for n in listing(TESTS) if n.startswith("test_") and not n.endswith(".txt")
                    and (n.endswith(".py") or "." not in n)})
    for package in SPLIT:
        if package in found:
            found.remove(package)
            found += ["%s.%s" % (package, n[:-3]) for n in sorted(listing(TESTS + "/" + package))
                      if n.startswith("test_") and n.endswith(".py")]
    first = ["test_" + n for n in FIRST if "test_" + n in found]
    first += [n for n in found if n.startswith(SPLIT)]
    middle = [n for n in found if n not in first and n not in LAST]
    return first + middle + [n for n in LAST if n in found]


def limit(name):
    return LONG if name in LAST else 300


def command(*names):
    # Its own limit is a little shorter: it then says where each thread stands.
    return "exec python3 -m test -v --timeout=%d %s" % (limit(names[0]) - 20, " ".join(names))


def groups(names):
    simple = [n for n in names if n not in LAST and n[len("test_"):] not in FIRST and not n.startswith(SPLIT)]
    return [simple[i:i + TOGETHER] for i in range(0, len(simple), TOGETHER)]


def passed(out):
    """What regrtest has left behind without a bad word: "0:01:05 load avg: 0.90 [2/8] test_b -- test_a failed (1 error)"."""
    text, _, summary = out.partition("\n== Tests result")
    parts = re.split(r"(?m)^(\d+:\d\d:\d\d) (?:load avg: \S+ )?\[ *\d+/\d+(?:/\d+)?\] (test_\S+)(?: -- [^\n]*)?\n", text)[1:]
    starts = [sum(int(n) * unit for n, unit in zip(clock.split(":"), (3600, 60, 1))) for clock in parts[::3]]
    duration = re.search(r"(?m)^Total duration: (.*)$", summary)
    ends = starts[1:]
    if duration:
        ends.append(sum(float(n) * UNITS[unit] for n, unit in re.findall(r"([\d.]+) (hour|min|sec|ms)", duration[1])))
    bad = re.findall(r"(?m)(?:^|-- )(test_\S+) (?:failed|crashed|skipped|timed out|ran no tests|interrupted)\b", text)
    return {name: (end - start, said) for name, said, start, end in zip(parts[1::3], parts[2::3], starts, ends) if name not in bad}


def judge(status, out):
    failed = {}
    # "ERROR: test_x (test.test_os.FileTests.test_x)", dashes, a traceback whose last line says what went wrong.
    for m in re.finditer(r"(?ms)^(?:ERROR|FAIL): ([^\n]*)\n(?:[^\n]*\n)??-{70}\n(.*?)\n\n(?==|-)", out):
        lines = [s for s in m[2].split("\n") if s and not s.startswith((" ", "Stdout:", "Stderr:"))]
        errors = [s for s in lines if re.match(r"[\w.]*(Error|Exception|Expired|Interrupt|Exit|Timeout|Empty|Full)\b", s)]
        name = re.sub(r"^(\w+) \([\w.]*?(\w+)(?:\.\1)?\)", r"\2.\1", m[1])
        failed[name[:120]] = (errors or lines or ["?"])[-1][:160]
    ran = sum(int(n) for n in re.findall(r"(?m)^Ran (\d+) tests? in", out))
    skipped = sum(int(n) for n in re.findall(r"(?m)^(?:OK|FAILED) \(.*?\bskipped=(\d+)", out))
    facts = {"ran": ran, "skipped": skipped}
    if failed:
        facts["failed"] = failed
    if status == 1 and re.search(r"(?m)\bTimeout \(\d+:\d\d:\d\d\)!$", out):
        return suite.TIMEOUT, facts
    if status == 0 and re.search(r"(?m)^\d+ tests? skipped:", out):
        return suite.SKIP, facts
    if status in (3, 4) and not failed:     # regrtest: altered its environment; no test ran
        return (suite.SKIP if status == 4 else suite.PASS), facts
    return (suite.FAIL if status else suite.PASS), facts


SUITE = suite.Suite("python", "CPython's regression tests", IMAGE, names, command, judge, limit, groups=groups, passed=passed)

# SPDX-License-Identifier: MIT
"""bash's tests (run-all, one by one) on Debian's bash; the helpers that show arguments are built from its sources."""
import os
import re
import shutil

import programs
import sources
import suite

# Files that a build would have left, and sources in their place: heredoc5.sub wants long and short texts.
MADE = {"y.tab.c": "y.tab.c", "config.h": "config.h.in", "version.h": "patchlevel.h"}


def fill(tree):
    source = sources.fetch(["bash"])["bash"]
    shutil.copytree(source + "/tests", tree + "/tests", symlinks=True)
    for name in ("recho", "zecho", "printenv", "xcase"):
        programs.host_cc("%s/support/%s.c" % (source, name), "%s/tests/%s" % (tree, name),
                         "-DHAVE_UNISTD_H", "-DHAVE_STDLIB_H", "-DHAVE_STRING_H", "-I" + source, "-I" + source + "/include")
    for name, text in MADE.items():
        shutil.copy("%s/%s" % (source, text), "%s/%s" % (tree, name))


disk = programs.Disk("bash", fill)


def names():
    return [n for n in (os.path.basename(p)[len("run-"):] for p in disk.files("tests/run-*")) if n not in ("all", "minimal")]


def command(name):
    return "cd /suite/tests && export THIS_SH=/bin/bash BUILD_DIR=/suite TMPDIR=/tmp PATH=/suite/tests:$PATH BASH_TSTOUT=/tmp/bashtst && unset LC_ALL && " \
           "exec sh ./run-" + name


def judge(status, out):
    """A test is the difference of what was said from what was wanted."""
    lines = [re.sub(r"group \(\d+\)", "group (PID)", line) for line in out.splitlines() if line[:2] in ("< ", "> ")]
    if status == 0 and not lines:
        return suite.PASS, {}
    return suite.FAIL, {"failed": {line[:160]: "differs" for line in lines} or {"status": str(status)}}


SUITE = suite.Suite("bash", "bash 5.2", programs.DEVROOT, names, command, judge, limit=lambda name: 600,
                    setup=programs.CHOWN, disk=disk.image)

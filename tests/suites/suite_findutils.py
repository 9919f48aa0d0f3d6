# SPDX-License-Identifier: MIT
"""findutils' tests on Debian's find and xargs: the shell scripts of tests/local.mk, and dejagnu's, some in one command."""
import os
import re
import shutil

import programs
import sources
import suite

VERSION = "4.9.0"
TOGETHER = 20       # of dejagnu's scripts
TOOLS = ("find", "xargs")


def fill(tree):
    source = sources.fetch(["findutils"])["findutils"]
    shutil.copytree(source + "/tests", tree + "/tests", symlinks=True)
    shutil.copy(source + "/init.cfg", tree)
    for name in TOOLS:
        shutil.copytree("%s/%s/testsuite" % (source, name), "%s/%s/testsuite" % (tree, name), symlinks=True)
        os.symlink("/usr/bin/" + name, "%s/%s/%s" % (tree, name, name))
    for name in ("find/ftsfind.o", "xargs/xargs.o"):    # dejagnu's scripts look whether it was built
        programs.write(os.path.join(tree, name))
    programs.unpack_deb("dejagnu", tree + "/dejagnu")
    programs.environment(tree, VERSION, TOOLS, ["/suite/find", "/suite/xargs"])


disk = programs.Disk("findutils", fill)
scripts = programs.Scripts(disk)


def expect_scripts(tool):
    return sorted({os.path.basename(p) for p in disk.files("%s/testsuite/%s.*/*.exp" % (tool, tool))})


def names():
    parts = [(tool, (len(expect_scripts(tool)) + TOGETHER - 1) // TOGETHER) for tool in TOOLS]
    return scripts.names() + ["%s-%02d" % (tool, i) for tool, count in parts for i in range(count)]


def command(name):
    m = re.fullmatch(r"(find|xargs)-(\d+)", name)
    if not m:
        return scripts.command(name)
    first = int(m[2]) * TOGETHER
    return "cd /suite/%s/testsuite && exec /suite/dejagnu/usr/bin/runtest --all --tool %s %s" % (
        m[1], m[1], " ".join(expect_scripts(m[1])[first:first + TOGETHER]))


def judge(status, out):
    return programs.judge_lines(status, out) if "=== " in out else programs.judge_script(status, out)


SUITE = suite.Suite("findutils", "findutils 4.9", programs.DEVROOT, names, command, judge, limit=lambda name: 900,
                    user=scripts.user, setup=programs.CHOWN, disk=disk.image)

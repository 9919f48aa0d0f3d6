# SPDX-License-Identifier: MIT
"""busybox's testsuite on Debian's static busybox, with the configuration that it was built with."""
import os
import shutil

import programs
import sources
import suite

ROOT = ("mount", "mdev", "makedevs", "mkfs.minix")
LAST = ("bc", "dc")     # minutes of arithmetic
LEFT_OUT = ("all_sourcecode", "wget")       # its sources, and the net
LINKS = "/suite/runtest-tempdir-links"


def fill(tree):
    source = sources.fetch(["busybox"])["busybox"]
    shutil.copytree(source + "/testsuite", tree + "/testsuite", symlinks=True)
    shutil.copy(source + "/debian/config/pkg/static", tree + "/.config")
    programs.host_cc(source + "/scripts/echo.c", tree + "/testsuite/echo-ne")
    path = tree + "/testsuite/runtest"
    with open(path, encoding="utf-8") as f:
        text = f.read()
    # The links to all applets are made once for a machine.
    programs.write(path, text.replace('rm -rf "$LINKSDIR"', ":", 1).replace('ln -s "$bindir/busybox" "$LINKSDIR/$i"', ":"))


disk = programs.Disk("busybox", fill)


def names():
    found = {os.path.basename(p)[:-len(".tests")] for p in disk.files("testsuite/*.tests")}
    found |= {os.path.basename(p[:-1]) for p in (q + "/" for q in disk.files("testsuite/*")) if os.path.isdir(os.path.join(disk.tree, p))}
    return sorted(found - set(LEFT_OUT) - set(LAST)) + list(LAST)


def command(name):
    return "cd /suite/testsuite && SKIP_INTERNET_TESTS=1 exec ./runtest -v " + name


SUITE = suite.Suite("busybox", "busybox 1.35", programs.DEVROOT, names, command, programs.judge_lines,
                    limit=lambda name: 1500 if name in LAST else 600, user=lambda name: None if name in ROOT else "user", disk=disk.image,
                    setup="cp /bin/busybox /suite/ && mkdir %s && /suite/busybox --install -s %s && %s" % (LINKS, LINKS, programs.CHOWN))

# SPDX-License-Identifier: MIT
"""What the suites of busybox, bash, coreutils and findutils share.

Their tests come from Debian's sources, unpacked to build/suites/NAME.tree and packed as the disk build/suites/NAME.ext2;
the programs that they try are Debian's i386 binaries in the developers' root. Small helpers are built with gcc -m32.

    disk = programs.Disk("busybox", fill)       fill(tree) puts the tests there
    SUITE = suite.Suite(..., disk=disk.image, names=lambda: ... disk.files("testsuite/*.tests"))
"""
import glob
import os
import re
import shutil
import subprocess

import suite

CHOWN = "chown -R user:user /suite"
LINE = re.compile(r"^(PASS|FAIL|SKIPPED|UNTESTED|XFAIL|XPASS|ERROR|UNRESOLVED): (.*)$", re.M)
DEVROOT = os.path.join(suite.BUILD, "devroot.ext2")
LISTFILE = os.path.join(suite.TOP, "tests", "suites", "programs.list")


class Disk:
    """A suite's own disk, made when first wanted."""

    def __init__(self, name, fill, size="64M"):
        self.name, self.fill, self.size = name, fill, size
        self.tree, self.image = (os.path.join(suite.OUT, name + end) for end in (".tree", ".ext2"))

    def make(self):
        if os.path.exists(self.image):
            return
        shutil.rmtree(self.tree, ignore_errors=True)
        os.makedirs(self.tree)
        self.fill(self.tree)
        subprocess.run([os.path.join(suite.TOP, "tests", "abi", "mkimage"), self.tree, self.image, self.size, self.name], check=True)

    def files(self, pattern):
        """Paths in the tree that match, relative to it, sorted."""
        self.make()
        return sorted(os.path.relpath(p, self.tree) for p in glob.glob(os.path.join(self.tree, pattern)))

    def read(self, name):
        self.make()
        with open(os.path.join(self.tree, name), encoding="utf-8") as f:
            return f.read()


def write(path, text=""):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


def host_cc(source, target, *flags):
    subprocess.run(["gcc", "-m32", "-O", "-w", "-o", target, *flags, source], check=True)


def unpack_deb(package, where):
    """Unpack one of programs.list, without what it depends on."""
    manifest = os.path.join(suite.OUT, "programs.manifest")
    subprocess.run([os.path.join(suite.TOP, "distro", "fetch"), "-o", manifest, LISTFILE], check=True)
    with open(manifest, encoding="utf-8") as f:
        deb = next(line.strip() for line in f if line.startswith(package + "_"))
    subprocess.run(["dpkg-deb", "-x", os.path.join(suite.BUILD, "debs", deb), where], check=True)


def judge_lines(status, out):
    """The verdicts inside of a command, as busybox's runtest and dejagnu say them; what fails once under a name fails."""
    said = LINE.findall(out)
    failed = {name: verdict for verdict, name in said if verdict in ("FAIL", "ERROR", "UNRESOLVED")}
    if status and not failed:
        failed["status"] = str(status)
    passed = any(verdict == "PASS" for verdict, _ in said)
    verdict = suite.FAIL if failed else suite.PASS if passed or not said else suite.SKIP
    return verdict, {"ran": sum(v in ("PASS", "FAIL") for v, _ in said), "failed": failed}


# --- Automake's test harness, of coreutils and findutils --------------------------------

def environment(tree, version, programs, paths, defines=()):
    """/suite/env: the variables that the makefile gives to each script; and the config.h that some look into."""
    lines = [". tests/lang-default", ". tests/envvar-check", "TMPDIR=/tmp", "VERSION=" + version, "PACKAGE_VERSION=" + version,
             "LOCALE_FR=none", "LOCALE_FR_UTF8=none", "abs_top_builddir=/suite", "abs_top_srcdir=/suite", "abs_srcdir=/suite",
             "top_srcdir=.", "srcdir=.", "built_programs='%s'" % " ".join(programs), "fail=0", "host_os=linux-gnu",
             "host_triplet=i686-pc-linux-gnu", "CONFIG_HEADER=/suite/lib/config.h", "CC=gcc", "AWK=awk", "EGREP='grep -E'", "EXEEXT=",
             "MAKE=make", "PERL=perl", "SHELL=/bin/bash", "NON_ROOT_USERNAME=user", "PATH=%s:$PATH" % ":".join(paths)]
    write(tree + "/env", "".join((line if line.startswith(".") else "export " + line) + "\n" for line in lines))
    write(tree + "/lib/config.h", "".join("#define %s 1\n" % name for name in defines))


class Scripts:
    """The tests that tests/local.mk lists, by their paths without "tests/"."""

    def __init__(self, disk):
        self.disk = disk

    def listed(self, variable):
        text = self.disk.read("tests/local.mk").replace("\\\n", " ")
        words = re.search(r"^%s\s*=(.*)$" % variable, text, re.M)[1].split()
        return [w[len("tests/"):] for w in words if w.startswith("tests/")]

    def names(self):
        return list(dict.fromkeys(self.listed("all_tests") + self.listed("all_root_tests")))

    def user(self, name):
        return None if name in self.listed("all_root_tests") else "user"

    def command(self, name):
        shell = "bash"
        if name.endswith("pl"):
            shell = "perl -w %s -Itests -MCuSkip -MCoreutils '-MCuTmpdir qw(tests/%s)'" % ("-T" if name.endswith("xpl") else "", name)
        return "cd /suite && . ./env && exec %s tests/%s 9>&2" % (shell, name)


def judge_script(status, out):
    """Automake's exit statuses: 77 skips, 99 is an error of the test itself."""
    if status == 77:
        return suite.SKIP, {}
    if status == 0:
        return suite.PASS, {}
    words = [line for line in out.splitlines() if line and not line.startswith("+")]
    return suite.FAIL, {"failed": {"said": (words[-1] if words else "nothing")[:200]}}

# SPDX-License-Identifier: MIT
"""Debian's source packages, from the archive that this machine's apt is configured with.

    sources.fetch(["busybox"])          -> {"busybox": "build/apt-src/busybox-1.35.0"}, unpacked and with Debian's changes
    sources.archives(["e2fsprogs"])     -> {"e2fsprogs": [paths of what the package is made of]}

apt keeps a state of its own under build/apt-src; checksums and signatures are apt's to check.  Nothing of the machine's own
package state is read or changed.
"""
import glob
import importlib.machinery
import importlib.util
import os
import re
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("BUILD") or os.path.join(TOP, "build")
STATE = os.path.join(BUILD, "apt-src")


def load_fetch():
    """distro/fetch knows the machine's mirror."""
    loader = importlib.machinery.SourceFileLoader("fetch", os.path.join(TOP, "distro", "fetch"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("fetch", loader))
    sys.dont_write_bytecode = True
    loader.exec_module(module)
    return module


def apt_get(*args):
    env = dict(os.environ, APT_CONFIG=os.path.join(STATE, "apt.conf"), LC_ALL="C.UTF-8")
    run = subprocess.run(["apt-get", "-q", *args], env=env, text=True, cwd=STATE, stdin=subprocess.DEVNULL,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if run.returncode:
        sys.exit("sources: apt-get %s:\n%s" % (args[0], run.stdout[-1000:]))


def prepare():
    """The state, with an index of sources."""
    lists = os.path.join(STATE, "state", "lists")
    if glob.glob(os.path.join(lists, "*_Sources*")) and os.path.exists(os.path.join(STATE, "apt.conf")):
        return
    module = load_fetch()
    for name in ("etc", "state/lists/partial", "cache"):
        os.makedirs(os.path.join(STATE, name), exist_ok=True)
    with open(os.path.join(STATE, "status"), "w", encoding="utf-8"):
        pass
    with open(os.path.join(STATE, "etc", "src.sources"), "w", encoding="utf-8") as f:
        f.write(module.main_source().replace("Types: deb\n", "Types: deb-src\n"))
    with open(os.path.join(STATE, "apt.conf"), "w", encoding="utf-8") as f:
        f.write(module.acquire_settings() + f"""
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::Retries "3";
Debug::NoLocking "true";
Dir::State "{STATE}/state";
Dir::State::status "{STATE}/status";
Dir::Cache "{STATE}/cache";
Dir::Etc::main "/dev/null";
Dir::Etc::parts "/dev/null";
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "{STATE}/etc";
""")
    apt_get("update")


def description(package):
    """Path of the package's .dsc; None where it was not downloaded."""
    found = glob.glob(os.path.join(STATE, package + "_*.dsc"))
    return found[0] if found else None


def archives(packages):
    """Download what is missing; gives the files of each package."""
    missing = [p for p in packages if not description(p)]
    if missing:
        prepare()
        apt_get("source", "--download-only", *missing)
    files = {}
    for package in packages:
        with open(description(package), encoding="utf-8") as f:
            names = re.findall(r"^ [0-9a-f]{64} \d+ (\S+)$", f.read(), re.M)
        files[package] = [os.path.join(STATE, name) for name in names]
    return files


def fetch(packages):
    """Download and unpack; gives the directory of each package."""
    archives(packages)
    trees = {}
    for package in packages:
        dsc = description(package)
        tree = os.path.join(STATE, "%s-tree" % package)
        if not os.path.isdir(tree):
            subprocess.run(["dpkg-source", "--no-check", "-x", dsc, tree], check=True, cwd=STATE, stdout=subprocess.DEVNULL)
        trees[package] = tree
    return trees


if __name__ == "__main__":
    for where in fetch(sys.argv[1:]).values():
        print(where)

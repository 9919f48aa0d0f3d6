# SPDX-License-Identifier: MIT
"""What guest tests share: machines kept between tests, images, skipping."""
import os
import re
import subprocess

import vm as guest

TOP = guest.TOP
BUILD = guest.BUILD
ROOTFS = os.path.join(BUILD, "rootfs.ext2")
SCRATCH = os.path.join(BUILD, "guest-tmp")


class Skip(Exception):
    """The test has no sense here; the text says why."""


def maestro_only(test):
    test.on = ("maestro",)
    return test


def prepare(vm, timeout=60):
    """Make a machine that runs bash as its init fit for tests."""
    vm.shell(timeout)
    vm.check("export HOME=/root TERM=xterm PATH=/usr/sbin:/usr/bin:/sbin:/bin; "
             "cd /root; mount -t proc proc /proc; "
             "[ -d /sys ] && mount -t sysfs sysfs /sys; "
             "mkdir -p /dev/pts; mount -t devpts devpts /dev/pts; "
             "mount -t tmpfs tmpfs /tmp; mount -t tmpfs tmpfs /run; "
             "[ -e /dev/fd ] || ln -s /proc/self/fd /dev/fd; set +H")
    return vm


class Lab:
    """The kernel under test, and the machines that tests share."""

    def __init__(self, kernel):
        self.kernel, self.kept, self.test = kernel, {}, ""

    def vm(self, image=ROOTFS, **how):
        """A machine of the test's own; use it in a with statement."""
        name = "%s-%s" % (self.test, self.kernel)
        if image and not os.path.exists(image):
            raise Skip("there is no " + os.path.relpath(image, TOP))
        return guest.VM(self.kernel, image, log=how.pop("log", name), **how)

    def bash(self, bus="virtio", jobs=False):
        """The shared machine with bash; what tests write to it is forgotten at the end."""
        key = (bus, jobs)
        if key not in self.kept:
            vm = self.vm(bus=bus, init="/bin/bash",
                         log="shared-%s%s-%s" % (bus, "-jobs" if jobs else "", self.kernel))
            self.kept[key] = vm
            prepare(vm)
            if jobs:
                vm.job_shell()
        return self.kept[key]

    def forget(self):
        """After a failure the shared machines are not to be trusted."""
        for vm in self.kept.values():
            vm.quit()
        self.kept = {}

    def image(self, name, files=()):
        """A writable copy of the root image; files: (host path, guest path, mode)."""
        if not os.path.exists(ROOTFS):
            raise Skip("there is no build/rootfs.ext2")
        path = guest.copy_image(ROOTFS, os.path.join(SCRATCH, name))
        commands = []
        for host, inside, mode in files:
            commands += ["write %s %s" % (host, inside), "sif %s mode %o" % (inside, 0o100000 | mode)]
        if commands:
            r = subprocess.run(["debugfs", "-w", "-f", "-", path], input="\n".join(commands) + "\n",
                               text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            assert r.returncode == 0, r.stdout
        return path


def fsck(image):
    """e2fsck must find nothing to say."""
    r = subprocess.run(["e2fsck", "-fn", image], text=True,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert r.returncode == 0, "e2fsck -fn gives %d:\n%s" % (r.returncode, r.stdout)


def equal(got, want, what="output"):
    assert got == want, "%s: got %r, want %r" % (what, got, want)


def matches(pattern, text):
    assert re.search(pattern, text, re.M), "no %r in:\n%s" % (pattern, text)

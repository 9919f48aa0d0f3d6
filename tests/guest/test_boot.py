# SPDX-License-Identifier: MIT
"""Ways to start and to stop."""
import os
import subprocess

import lab as shared
from lab import BUILD, fsck, maestro_only, matches

WRONG = r"(?:panic|cannot|can't|unable|failed|no such|not found|no )"


def boots(lab, **how):
    with lab.vm(init="/bin/bash", **how) as vm:
        shared.prepare(vm)
        out = vm.check("echo $((6 * 7)); uname -s -m; ls -d /etc/passwd; cat /proc/mounts")
        matches(r"\A42\nLinux i686\n/etc/passwd\n", out)
        matches(r" / ext2 rw", out)


def test_virtio(lab):
    """A virtio disk, bash as init."""
    boots(lab)


def test_ide(lab):
    """An IDE disk, bash as init."""
    boots(lab, bus="ide")


def test_two_processors(lab):
    """Two processors."""
    boots(lab, smp=2)


@maestro_only
def test_16_mib(lab):
    """16 MiB of memory."""
    boots(lab, mem=16)


def test_readonly_root(lab):
    """A root mounted read-only refuses writing, and can be remounted."""
    with lab.vm(init="/bin/bash", rw=False) as vm:
        shared.prepare(vm)
        out, status = vm.run("touch /root/x")
        assert status and "Read-only" in out, out
        vm.check("mount -o remount,rw / && touch /root/x && rm /root/x")


@maestro_only
def test_ext4_root(lab):
    """A root on ext4 with a journal is mounted read-only, whatever is asked for, and the log says why."""
    image = lab.image("ext4-root.img")
    made = subprocess.run(["tune2fs", "-O", "has_journal,extent,huge_file,flex_bg", image], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert made.returncode == 0, made.stdout
    with lab.vm(image=image, init="/bin/bash", append="rootfstype=ext4") as vm:
        shared.prepare(vm)
        matches(r" / ext4 ro", vm.check("cat /proc/mounts"))
        out, status = vm.run("touch /root/x")
        assert status and "Read-only" in out, out
        out, status = vm.run("mount -o remount,rw /")
        assert status, "it became writable"
        matches(r"not written:.* has_journal.* extents", vm.check("dmesg | grep EXT2-fs"))


def test_init_system(lab):
    """The image's own init: a login shell with job control, then power off."""
    with lab.vm() as vm:
        vm.shell(120)
        out = vm.check("tty; ps -o tty= -p $$; echo flags $-; [ -c /dev/null ] && mount | wc -l")
        matches(r"/dev/ttyS0", out)
        matches(r"flags \w*m", out)
        vm.send("poweroff\n")
        vm.wait_off(60)


def test_poweroff_persists(lab):
    """Power off leaves a clean file system; a second boot sees what the first wrote."""
    image = lab.image("persist.ext2")
    with lab.vm(image, snapshot=False) as vm:
        vm.shell(120)
        vm.check("mkdir -p /root/kept/deep && echo first boot > /root/kept/deep/file && "
                 "seq 1 20000 > /root/kept/numbers && ln -s numbers /root/kept/link && "
                 "mknod /root/kept/fifo p && chmod 2750 /root/kept/deep && "
                 "for i in $(seq 200); do echo $i > /root/kept/f$i; done && rm /root/kept/f1*")
        vm.send("poweroff\n")
        vm.wait_off(90)
    fsck(image)
    with lab.vm(image, snapshot=False) as vm:
        vm.shell(120)
        out = vm.check("cat /root/kept/deep/file; tail -n 1 /root/kept/link; ls /root/kept | wc -l; "
                       "stat -c %a /root/kept/deep; stat -c %F /root/kept/fifo")
        assert out == "first boot\n20000\n93\n2750\nfifo", out
        vm.send("poweroff\n")
        vm.wait_off(90)
    fsck(image)
    os.unlink(image)


def test_sync_then_cut(lab):
    """After sync the image is whole, though the machine is cut off."""
    image = lab.image("cut.ext2")
    with lab.vm(image, snapshot=False, init="/bin/bash") as vm:
        shared.prepare(vm)
        vm.check("cp -a /etc /root/copy && sync && mount -o remount,ro /")
    fsck(image)
    os.unlink(image)


def test_reboot(lab):
    """reboot ends the machine (QEMU is told not to start it again)."""
    with lab.vm(init="/bin/bash") as vm:
        shared.prepare(vm)
        vm.send("busybox reboot -f\n")
        vm.wait_off(20)


@maestro_only
def test_no_disk(lab):
    """Without a disk it says so."""
    with lab.vm(None, root="/dev/vda") as vm:
        vm.expect(r"(?i)%s[^\n]*(root|vda)|(root|vda)[^\n]*%s" % (WRONG, WRONG), 30)


@maestro_only
def test_no_root(lab):
    """With a root device that is not there it says which."""
    with lab.vm(root="/dev/nope", init="/bin/bash") as vm:
        vm.expect(r"(?i)nope[^\n]*%s|%s[^\n]*nope" % (WRONG, WRONG), 40)


@maestro_only
def test_no_init(lab):
    """With an init that is not there it says which."""
    with lab.vm(init="/sbin/nope") as vm:
        vm.expect(r"(?i)nope", 30)
        vm.expect(r"(?i)%s|/sbin/init" % WRONG, 30)


@maestro_only
def test_grub_disk(lab):
    """The disk image through GRUB: serial, screen and keyboard."""
    with lab.vm(os.path.join(BUILD, "disk.img"), boot="disk", bus="ide") as vm:
        vm.shell(120)
        vm.check("uname -a")
        vm.wait_vga(r"[#$] *(\n|\Z)", 60)
        vm.type("echo vga-$((6*7))\n")
        vm.wait_vga(r"\nvga-42\s", 30)
        png = vm.screenshot()
        assert os.path.getsize(png) > 500, png


@maestro_only
def test_grub_disk_virtio(lab):
    """The same disk as a virtio disk."""
    with lab.vm(os.path.join(BUILD, "disk.img"), boot="disk", bus="virtio") as vm:
        vm.shell(120)
        matches(r"/dev/\S+ / ext2", vm.check("cat /proc/mounts"))


@maestro_only
def test_iso(lab):
    """The ISO: a small system in memory."""
    with lab.vm(os.path.join(BUILD, "maestro.iso"), boot="iso") as vm:
        vm.shell(120)
        matches(r"Linux", vm.check("busybox uname -a"))

# SPDX-License-Identifier: MIT
"""Debian's tools at their trades."""
import hashlib
import re
import subprocess

import lab as shared
from lab import ROOTFS, Skip, equal, matches


def test_find(lab):
    """find sees every file there is on the disk."""
    report = subprocess.run(["e2fsck", "-fnv", ROOTFS], text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    regular = int(re.search(r"(\d+) regular files?", report)[1])
    links = int(re.search(r"(\d+) symbolic links?", report)[1])
    out = lab.bash().check("find / -xdev -type f -printf '%i\\n' | sort -u | wc -l; "
                           "find / -xdev -type l | wc -l", 120)
    found, linked = (int(x) for x in out.split())
    # Earlier tests on this machine may have left a few files of their own.
    assert 0 <= found - regular <= 20, "%d regular files on disk, %d found" % (regular, found)
    assert abs(linked - links) <= 10, "%d links on disk, %d found" % (links, linked)


def test_tar(lab):
    """tar | gzip | tar, then compare the trees."""
    vm = lab.bash()
    vm.check("rm -rf /root/t && mkdir -p /root/t && tar -C / -cf - etc usr/share/perl5 usr/sbin 2>/dev/null"
             " | gzip -1 | (cd /root/t && tar xzf -)", 240)
    vm.check("diff -r --no-dereference /etc /root/t/etc && diff -r --no-dereference /usr/sbin /root/t/usr/sbin", 120)
    equal(vm.check("cd / && find etc usr/sbin | sort | xargs -d '\\n' stat -c '%n %s %a %u %g %Y' | md5sum; "
                   "cd /root/t && find etc usr/sbin | sort | xargs -d '\\n' stat -c '%n %s %a %u %g %Y' | md5sum",
                   120).split("\n")[0:1],
          vm.check("cd /root/t && find etc usr/sbin | sort | xargs -d '\\n' stat -c '%n %s %a %u %g %Y' | md5sum",
                   120).split("\n"), "attributes")
    vm.check("rm -rf /root/t && [ ! -e /root/t ]")


def test_fsck_mounted(lab):
    """e2fsck of the root while it is mounted: the device's node shows what the file system has."""
    with lab.vm(init="/bin/bash", mem=64) as vm:
        shared.prepare(vm)
        fsck = "e2fsck -fn /dev/vda > /tmp/log 2>&1 || { head -n 20 /tmp/log; false; }"
        vm.check("sync; %s" % fsck, 120)
        for n in range(3):
            vm.check("mkdir -p /root/m$n && cp -a /etc /usr/sbin /root/m$n/; yes > /root/m$n/y & yes=$!; sleep 1; kill $yes; "
                     "wait $yes; sync".replace("$n", str(n)), 120)
            vm.check(fsck, 120)
            # What was read through the node becomes directories, tables of pointers, contents, and back.
            vm.check("rm -rf /root/m%d/etc /root/m%d/y; mkdir /root/m%d/d; seq -f /root/m%d/d/name%%g 3000 | xargs touch; "
                     "find /root/m%d/sbin -type f | head -n 40 | xargs rm; sync" % (n, n, n, n, n), 120)
            vm.check(fsck, 120)
        vm.check("rm -rf /root/m?; sync; %s" % fsck, 120)


def test_sha256_large(lab):
    """200 MB written, read back through a cache that cannot hold them."""
    total, line = 200_000_000, b"the quick brown maestro\n"
    h, left = hashlib.sha256(), total
    block = line * 43690
    while left >= len(block):
        h.update(block)
        left -= len(block)
    h.update(block[:left])
    with lab.vm(init="/bin/bash", mem=128) as vm:
        shared.prepare(vm)
        vm.check("yes 'the quick brown maestro' | head -c %d > /root/big" % total, 180)
        equal(vm.check("stat -c %s /root/big"), str(total))
        out = vm.check("sync; sha256sum < /root/big", 240)
        equal(out.split()[0], h.hexdigest(), "sum")
        before = int(vm.check("df -P / | awk 'NR == 2 { print $4 }'"))
        vm.check("rm /root/big; sync")
        after = int(vm.check("df -P / | awk 'NR == 2 { print $4 }'"))
        assert after - before >= 195000, "only %d KiB came back" % (after - before)


def test_thousand_forks(lab):
    """A thousand processes, one after another; nothing is left behind."""
    vm = lab.bash()
    vm.check("for i in $(seq 20); do /bin/true; done")
    free = int(vm.check("awk '/MemAvailable/ { print $2 }' /proc/meminfo"))
    equal(vm.check("n=0; for i in $(seq 1000); do /bin/true && n=$((n + 1)); done; echo $n", 180), "1000")
    after = int(vm.check("awk '/MemAvailable/ { print $2 }' /proc/meminfo"))
    assert free - after < 8192, "%d KiB of memory went away" % (free - after)
    equal(vm.check("for i in $(seq 100); do (sleep 0.5) & done; wait; echo all", 60).split("\n")[-1], "all")
    equal(vm.check("ps -e -o stat= | grep -c Z || true"), "0")


def test_ps(lab):
    """ps, top, pgrep, uptime."""
    vm = lab.bash()
    out = vm.check("ps aux")
    matches(r"\AUSER +PID +%CPU +%MEM +VSZ +RSS +TTY +STAT +START +TIME +COMMAND", out)
    matches(r"^root +1 .*bash", out)
    matches(r"ps aux", out)
    matches(r"PID +TTY +TIME +CMD|PID TTY", vm.check("ps -ef | head -n 1; ps"))
    vm.check("sleep 30 & pgrep -x sleep && pkill -x sleep; wait; true")
    matches(r"load average", vm.check("uptime"))
    matches(r"Tasks:", vm.check("top -b -n 1 | head -n 5", 30))


def test_free(lab):
    """free, vmstat and /proc/meminfo agree."""
    vm = lab.bash()
    out = vm.check("free -k")
    total = int(re.search(r"Mem: +(\d+)", out)[1])
    assert 200000 < total <= 262144, out
    equal(vm.check("awk '/MemTotal/ { print $2 }' /proc/meminfo"), str(total))
    matches(r"procs", vm.check("vmstat"))


def test_mounts(lab):
    """mount, df, findmnt, umount."""
    vm = lab.bash()
    matches(r" on / type ext2 \(rw", vm.check("mount"))
    out = vm.check("df -k /")
    size, used, free = (int(x) for x in re.search(r"(\d+) +(\d+) +(\d+) +\d+% /", out).groups())
    assert size > used + free - 1 and used > 30000, out
    vm.check("mkdir -p /mnt/x && mount -t tmpfs -o size=4m none /mnt/x && df /mnt/x && "
             "cp /bin/ls /mnt/x/ && /mnt/x/ls / >/dev/null && umount /mnt/x && [ -z \"$(ls /mnt/x)\" ]")
    # The root cannot go: it becomes read-only.
    vm.check("umount / && grep -q ' / ext2 ro' /proc/mounts && ! touch /root/x 2>/dev/null")
    vm.check("mount -o remount,rw / && touch /root/x && rm /root/x")


def test_loop(lab):
    """losetup and mount -o loop, on an image made here."""
    vm = lab.bash()
    vm.check("cd /root && truncate -s 8M img && mke2fs -q -F img && mkdir -p /mnt/loop && mount -o loop img /mnt/loop", 60)
    matches(r"/root/img on /mnt/loop type ext2", vm.check("mount"))  # as mount(8) shows a device that goes with its last user
    vm.check("seq 50000 > /mnt/loop/n && cp /bin/ls /mnt/loop && sync && ! losetup -d /dev/loop99 2>/dev/null")
    matches(r"/dev/loop0 +0 +0 +1 +0 /root/img", vm.check("losetup -a -n -O NAME,SIZELIMIT,OFFSET,AUTOCLEAR,RO,BACK-FILE"))
    equal(vm.check("umount /mnt/loop 2>&1; losetup -a").strip(), "")
    vm.check("! mount -o ro /dev/loop0 /mnt/loop 2>/dev/null")  # it went with its last user
    vm.check("e2fsck -fn img", 60)
    device = vm.check("losetup -f --show -r img").strip()
    equal(vm.check("blockdev --getsize64 " + device), "8388608")
    vm.check("mount -o ro %s /mnt/loop && seq 50000 | cmp - /mnt/loop/n && cmp /bin/ls /mnt/loop/ls" % device)
    out, status = vm.run("losetup -d %s; umount /mnt/loop && losetup %s" % (device, device))
    assert status, out  # taken off while mounted: it goes at the unmount
    vm.check("losetup -o 1024 --sizelimit 4096 %s img && dd if=%s bs=512 2>/dev/null | cmp - <(tail -c +1025 img | head -c 4096)" % (device, device))
    vm.check("losetup -d %s && rm img && rmdir /mnt/loop && cd /" % device)


def test_dmesg(lab):
    """dmesg shows the kernel's messages."""
    out = lab.bash().check("dmesg | head -n 40")
    assert len(out.split("\n")) > 5, out


def test_text_tools(lab):
    """grep, sed, awk, sort, cut, join, comm, diff, xargs."""
    vm = lab.bash()
    vm.check("cd /tmp")
    equal(vm.check("seq 1 100000 | awk '{ s += $1 } END { print s }'"), "5000050000")
    equal(vm.check("seq 20000 | sort -R | sort -n | md5sum"), vm.check("seq 20000 | md5sum"))
    equal(vm.check("seq 9 | sed -n '3,5p;$p' | paste -sd,"), "3,4,5,9")
    equal(vm.check("cut -d: -f1,7 /etc/passwd | grep ^root"), "root:/bin/bash")
    equal(vm.check("seq 1000 | xargs -n 7 -P 4 echo | wc -l"), "143")
    equal(vm.check("seq 5 > a; seq 3 8 > b; comm -12 a b | tr '\\n' ' '; diff a b | grep -c '^[<>]'"), "3 4 5 5")
    equal(vm.check("printf 'b\\na\\n' | mawk '{ print NR $0 }' | tac"), "2a\n1b")
    equal(vm.check("head -c 1000000 /dev/zero | tr '\\0' x | fold -w 100 | wc -l"), "9999")
    equal(vm.check("grep -rl 'root:x:0' /etc 2>/dev/null | sort | head -n 1"), "/etc/group")


def test_perl(lab):
    """perl: files, processes, sockets apart."""
    vm = lab.bash()
    equal(vm.check("perl -e 'print join(q( ), map { $_ ** 2 } 1..5), qq(\\n)'"), "1 4 9 16 25")
    equal(vm.check("perl -e 'my $p = fork; if (!$p) { exit 9 } waitpid $p, 0; print $? >> 8, qq(\\n)'"), "9")
    equal(vm.check("perl -e '$SIG{ALRM} = sub { print qq(ding\\n); exit }; alarm 1; sleep 5'"), "ding")
    equal(vm.check("perl -e 'open F, q(-|), q(echo piped) or die; print <F>'"), "piped")


def test_compress(lab):
    """gzip, bzip2, xz there and back."""
    vm = lab.bash()
    vm.check("cat /usr/bin/bash /etc/passwd > /tmp/c")
    for tool in ("gzip -1", "bzip2 -1", "xz -0"):
        vm.check("%s < /tmp/c > /tmp/c.z && %s -dc < /tmp/c.z | cmp - /tmp/c" % (tool, tool.split()[0]), 120)
    vm.check("rm /tmp/c /tmp/c.z")


def test_dpkg(lab):
    """dpkg reads its own records."""
    vm = lab.bash()
    out = vm.check("dpkg -l | tail -n +6 | wc -l", 60)
    assert int(out) > 40, out
    equal(vm.check("dpkg -S /usr/bin/bash | cut -d: -f1", 60)[-4:], "bash")


def test_file_modes(lab):
    """install, chmod, chown, ln, stat, touch, cp -a, mv, dd, truncate."""
    vm = lab.bash()
    vm.check("rm -rf /root/m && mkdir /root/m && cd /root/m")
    equal(vm.check("install -m 4751 -o 3 -g 4 /bin/true t && stat -c '%a %u %g' t"), "4751 3 4")
    equal(vm.check("touch -d '2001-02-03 04:05:06 UTC' t && cp -a t u && stat -c %Y u"), "981173106")
    equal(vm.check("ln t h && ln -s t s && stat -c %h t && readlink s && mv h v && [ t -ef v ] && echo same"),
          "2\nt\nsame")
    equal(vm.check("dd if=/dev/zero of=d bs=4k count=10 conv=notrunc 2>/dev/null; truncate -s 100M d; "
                   "stat -c %s d; [ $(stat -c %b d) -lt 1000 ] && echo sparse"), "104857600\nsparse")
    vm.check("cd / && rm -rf /root/m")


def test_users(lab):
    """Another user can do less."""
    vm = lab.bash()
    out, status = vm.run("setpriv --reuid 1000 --regid 1000 --clear-groups bash -c 'id -u; cat /etc/shadow'")
    assert status and out.startswith("1000") and "ermission denied" in out, out


def test_ptys(lab):
    """script(1) runs a shell on a pty."""
    vm = lab.bash()
    if vm.run("command -v script")[1]:
        raise Skip("the image has no script(1)")
    out = vm.check("script -qc 'tty; stty -a | head -n 1' /dev/null < /dev/null", 30)
    matches(r"/dev/pts/\d+", out)
    matches(r"speed 38400 baud", out)

# SPDX-License-Identifier: MIT
"""Programs that take all there is: memory, processes; and machines with little and much memory."""
import lab as shared
from lab import equal, matches

EATER = "perl -e 'my @a; my $s = \"x\" x (1 << 20); while (1) { push @a, $s . @a }'"


def small_vm(lab, mem, **how):
    return lab.vm(init="/bin/bash", mem=mem, log="%s-%d-%s" % (lab.test, mem, lab.kernel), **how)


def eat(vm, limit):
    """The eater is killed, in a time in which nothing can have thrashed for long; the shell and its programs work."""
    out, status = vm.run(EATER, limit)
    equal(status, 137, "status of the eater")
    equal(vm.check("echo a | cat | wc -c"), "2")
    matches("Out of memory: Killed process [0-9]+ \\(perl\\)", vm.check("dmesg --color=never | tail -3"))


def test_out_of_memory(lab):
    """A program that eats all memory is killed, soon; again with a dirty file around."""
    with small_vm(lab, 128) as vm:
        shared.prepare(vm)
        eat(vm, 60)
        vm.check("dd if=/dev/zero of=/root/big bs=1M count=60 2>/dev/null")
        eat(vm, 60)
        equal(vm.check("tr -d '\\0' < /root/big | wc -c", 30), "0")


@shared.maestro_only
def test_out_of_little_memory(lab):
    """The same in 16 MiB, where Linux does not boot."""
    with small_vm(lab, 16) as vm:
        shared.prepare(vm)
        eat(vm, 60)


def test_disk_larger_than_memory(lab):
    """A disk that is read through leaves room for programs."""
    with small_vm(lab, 128) as vm:
        shared.prepare(vm)
        size = int(vm.check("blockdev --getsize64 /dev/vda"))
        assert size > 200 << 20, size
        equal(vm.check("cat /dev/vda | wc -c", 120), str(size))
        equal(vm.check("for i in 1 2 3 4 5 6 7 8; do echo a | cat; done | wc -l"), "8")
        equal(vm.check("dmesg --color=never | grep -c 'Out of memory' || true"), "0")


def test_fork_bomb(lab):
    """A fork bomb of a user with a limit of processes: others work, and it can be ended."""
    with small_vm(lab, 128) as vm:
        shared.prepare(vm)
        vm.check("su user -s /bin/bash -c 'ulimit -u 40; bomb() { bomb | bomb & }; bomb' > /tmp/said 2>&1; sleep 1", 60)
        # While they come and go, ps can meet one that went and the one that took its place: only what stands still is counted.
        vm.check("for i in 1 2 3 4 5 6 7 8; do pkill -STOP -u user; done", 60)
        count = int(vm.check("ps --no-headers -u user | wc -l"))
        assert 30 <= count <= 40, "%d processes" % count
        matches("Resource temporarily unavailable", vm.check("cat /tmp/said"))
        equal(vm.check("ls / | grep -c bin"), "2")
        vm.check("for i in 1 2 3 4 5 6 7 8; do pkill -9 -u user; done; sleep 1", 60)
        equal(vm.check("ps --no-headers -u user | wc -l"), "0")


@shared.maestro_only
def test_much_memory(lab):
    """More memory than 32 bits address: it is seen and can be used."""
    with small_vm(lab, 4096, cpu="qemu32,+nx,+pse36") as vm:
        shared.prepare(vm)
        total = int(vm.check("awk '/MemTotal/ { print $2 }' /proc/meminfo"))
        assert total > 3900 << 10, "%d KiB" % total
        equal(vm.check("dd if=/dev/zero of=/tmp/big bs=1M count=1200 2>/dev/null && wc -c < /tmp/big && rm /tmp/big", 120),
              str(1200 << 20))

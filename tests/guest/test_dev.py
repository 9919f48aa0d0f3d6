# SPDX-License-Identifier: MIT
"""Developers' programs, from build/devroot.ext2. Those marked slow run only when named: make guest-dev."""
import os
import subprocess
import tempfile

import lab as shared
import vm as guest
from lab import BUILD, equal, matches

DEVROOT = os.path.join(BUILD, "devroot.ext2")

HELLO_C = r"""
#include <stdio.h>
int main(void) { printf("hello %d\n", 42); return 3; }
"""

THREADS_C = r"""
#include <pthread.h>
#include <stdio.h>
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int count;
static void *work(void *arg)
{
	for (int i = 0; i < 10000; i++) {
		pthread_mutex_lock(&mutex);
		count++;
		pthread_mutex_unlock(&mutex);
	}
	return arg;
}
int main(void)
{
	pthread_t t[8];
	for (int i = 0; i < 8; i++)
		pthread_create(t + i, 0, work, 0);
	for (int i = 0; i < 8; i++)
		pthread_join(t[i], 0);
	printf("count %d\n", count);
	return 0;
}
"""

# Threads that throw, and an exception carried from one to another.
EXCEPTIONS_CC = r"""
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <stdexcept>
#include <thread>
static std::exception_ptr carried;
static void thrower(int i)
{
	try {
		throw std::runtime_error("own");
	} catch (std::exception &e) {
		if (std::strcmp(e.what(), "own"))
			std::abort();
	}
	if (i == 2)
		try {
			throw i;
		} catch (...) {
			carried = std::current_exception();
		}
}
int main()
{
	std::thread t[4];
	for (int i = 0; i < 4; i++)
		t[i] = std::thread(thrower, i);
	for (auto &x : t)
		x.join();
	try {
		std::rethrow_exception(carried);
	} catch (int i) {
		std::printf("caught %d\n", i);
	}
}
"""

MAKEFILE = r"""
all: program
program: a.o b.o
	$(CC) -o $@ $^
clean:
	rm -f *.o program
"""

RUST = r"""
fn main() {
    let v: Vec<u32> = (1..5).collect();
    let h = std::thread::spawn(move || v.iter().sum::<u32>());
    println!("sum {}", h.join().unwrap());
}
"""

PYTHON = r"""
import concurrent.futures, multiprocessing, os, pty, sqlite3, subprocess, threading
done = []
threads = [threading.Thread(target=lambda i=i: done.append(i)) for i in range(20)]
[t.start() for t in threads]
[t.join() for t in threads]
print("threads", sorted(done) == list(range(20)))
r = subprocess.run(["sh", "-c", "cat; exit 3"], input=b"in", capture_output=True)
print("subprocess", r.returncode, r.stdout)
db = sqlite3.connect("t.db")
db.execute("create table t(a, b)")
with db:
    db.executemany("insert into t values(?, ?)", [(i, str(i)) for i in range(2000)])
print("sqlite3", db.execute("select count(*), sum(a) from t").fetchone())
out = []
def keep(fd):
    out.append(os.read(fd, 1024))
    return out[-1]
pty.spawn(["sh", "-c", "tty | cut -c1-9; echo end"], keep)
print("pty", b"".join(out).split())
print("pool", concurrent.futures.ThreadPoolExecutor(4).submit(pow, 2, 10).result())
def child(q):
    q.put(os.getppid())
q = multiprocessing.Queue()
p = multiprocessing.Process(target=child, args=(q,))
p.start()
print("multiprocessing", q.get() == os.getpid(), p.join(), p.exitcode)
"""

PYTHON_SAYS = """threads True
subprocess 3 b'in'
sqlite3 (2000, 1999000)
pty [b'/dev/pts/', b'end']
pool 1024
multiprocessing True None 0"""

PERL = r"""
use threads; use POSIX;
print threads->create(sub { 6 * 7 })->join, "\n";
open(P, "-|", "echo piped"); print <P>;
my $p = fork; if (!$p) { exit 7 } waitpid($p, 0); print $? >> 8, "\n";
"""

SQL = "create table t(a integer primary key, b); " \
    "with recursive c(x) as (select 1 union all select x + 1 from c where x < 5000) " \
    "insert into t select x, hex(randomblob(8)) from c; select count(*) from t; create index i on t(b); " \
    "pragma integrity_check; pragma journal_mode = wal; insert into t values(null, 1); select max(a) from t;"


def slow(test):
    test.slow = True
    return test


def machine(lab, **how):
    how.setdefault("mem", 1024)
    return lab.vm(DEVROOT, init="/bin/bash", **how)


def prepare(vm):
    shared.prepare(vm)
    vm.check("mkdir -p /dev/shm /root/w && mount -t tmpfs tmpfs /dev/shm && cd /root/w && export LC_ALL=C.UTF-8")


def put(vm, name, text):
    vm.check("cat > %s <<'END-OF-FILE'\n%s\nEND-OF-FILE" % (name, text.strip("\n")))


def test_gcc(lab):
    """gcc, make, threads."""
    with machine(lab) as vm:
        prepare(vm)
        put(vm, "a.c", HELLO_C)
        put(vm, "t.c", THREADS_C)
        out, status = vm.run("gcc -O2 -Wall -o a a.c && ./a", 120)
        equal((out, status), ("hello 42", 3))
        equal(vm.check("gcc -O2 -pthread -o t t.c && ./t", 120), "count 80000")
        equal(vm.run("tcc -run a.c"), ("hello 42", 3))
        put(vm, "Makefile", MAKEFILE)
        vm.check("mkdir m && cp Makefile m && cd m && echo 'int f(void);int main(void){return f();}' > a.c && "
                 "echo 'int f(void){return 5;}' > b.c && make -j2", 120)
        equal(vm.run("./program")[1], 5)
        matches("Nothing to be done", vm.check("make"))
        vm.check("touch b.c")
        out = vm.check("make", 120)
        assert "b.c" in out and "a.c" not in out, out


def test_scripts(lab):
    """python, perl, lua, tcl, sqlite3, bc, ed, vim, man."""
    with machine(lab) as vm:
        prepare(vm)
        put(vm, "p.py", PYTHON)
        out = vm.check("python3 p.py </dev/null", 120)
        equal("\n".join(line for line in out.splitlines() if not line.startswith(("/dev/pts", "end"))), PYTHON_SAYS)
        put(vm, "p.pl", PERL)
        equal(vm.check("perl p.pl", 120), "42\npiped\n7")
        equal(vm.check("lua5.4 -e 'print(io.popen(\"echo popen\"):read(\"a\"))'").strip(), "popen")
        equal(vm.check("printf 'puts [expr 6*7]\\nputs [exec echo hi]\\n' | tclsh | cat"), "42\nhi")
        equal(vm.check("sqlite3 s.db '%s'" % SQL, 120), "5000\nok\nwal\n5001")
        equal(vm.check("echo '2^100' | bc"), "1267650600228229401496703205376")
        vm.check("printf 'a\\nfrom ed\\n.\\nw ed.txt\\nq\\n' | ed -s")
        equal(vm.check("cat ed.txt"), "from ed")
        vm.check("TERM=xterm vim -es -u NONE -c 'put =system(\\\"echo from vim\\\")' -c wq vim.txt")
        equal(vm.check("grep . vim.txt"), "from vim")
        matches("list directory contents", vm.check("man -P cat ls"))


def test_git(lab):
    """git: a thousand files, commit, clone, merge, gc, fsck."""
    with machine(lab) as vm:
        prepare(vm)
        vm.check("git config --global user.email a@b; git config --global user.name n; export GIT_PAGER=cat; "
                 "git config --global init.defaultBranch main; git init -q r && cd r && mkdir d0 d1 d2 d3 d4 d5 d6 d7 d8 d9")
        vm.check("i=0; while [ $i -lt 1000 ]; do echo file $i > d$((i % 10))/f$i; i=$((i + 1)); done; "
                 "git add . && git commit -q -m first", 120)
        equal(vm.check("git status --short; git ls-files | wc -l"), "1000")
        vm.check("echo more >> d1/f1 && git commit -q -a -m second")
        vm.check("cd .. && git clone -q r local && git clone -q --no-local r packed && diff -r -x .git r packed", 120)
        equal(vm.check("cd packed && git log --format=%s && cd ../r"), "second\nfirst")
        vm.check("git gc -q && git fsck --full", 120)
        vm.check("git checkout -q -b side HEAD~1 && echo y >> d2/f2 && git commit -q -a -m third && git merge -q main -m merge", 60)
        equal(vm.check("git log --format=%s | sort"), "first\nmerge\nsecond\nthird")


@slow
def test_exceptions(lab):
    """C++ with threads and exceptions."""
    with machine(lab) as vm:
        prepare(vm)
        put(vm, "x.cc", EXCEPTIONS_CC)
        equal(vm.check("g++ -O2 -pthread -o x x.cc && ./x", 240), "caught 2")


@slow
def test_rust(lab):
    """rustc, and what it made."""
    with machine(lab) as vm:
        prepare(vm)
        put(vm, "r.rs", RUST)
        equal(vm.check("rustc -O r.rs && ./r", 240), "sum 10")


@slow
def test_venv(lab):
    """A virtual environment of python, with pip in it."""
    with machine(lab) as vm:
        prepare(vm)
        vm.check("python3 -m venv v", 400)
        equal(vm.check("v/bin/python -c 'import sys; print(sys.prefix)'"), "/root/w/v")
        matches("pip", vm.check("v/bin/pip --version", 60))


DEBUGGEE = r"""
#include <stdio.h>
#include <unistd.h>
int counter;
static int inner(int n)
{
	counter += n;
	return n * 2;
}
int main(int argc, char **argv)
{
	int sum = 0;
	for (int i = 0; i < 5; i++)
		sum += inner(i);
	printf("sum %d %d\n", sum, counter);
	while (argc > 1) {
		counter++;
		usleep(50000);
	}
	return 0;
}
"""


@slow
def test_unix_sockets(lab):
    """Programs that talk over AF_UNIX: tmux, python's multiprocessing, node's child_process."""
    with machine(lab) as vm:
        prepare(vm)
        out = vm.check("tmux new -d -s a 'echo hi >said; sleep 60'; for i in 1 2 3 4 5; do [ -s said ] && break; sleep 1; done; "
                       "cat said; tmux ls; tmux kill-server", 60)
        matches("^hi\na: 1 windows", out)
        equal(vm.check("python3 -c 'import multiprocessing as m; p = m.Pool(2); print(p.map(abs, [-1, -2])); p.close(); p.join()'", 120),
              "[1, 2]")
        matches("null.* from child", vm.check(
            "node -e 'require(\"child_process\").exec(\"echo from child\", (e, out) => console.log(e, out))'", 120))


@slow
def test_gdb(lab):
    """gdb: breakpoint with condition, backtrace, finish, watchpoint, system call catchpoint, threads, attach."""
    with machine(lab) as vm:
        prepare(vm)
        put(vm, "d.c", DEBUGGEE)
        put(vm, "t.c", THREADS_C)
        vm.check("gcc -g -O0 -o d d.c && gcc -g -O0 -pthread -o t t.c", 120)
        vm.check("g() { gdb -nx -batch \"$@\" 2>&1; }")
        out = vm.check("g -ex 'break inner if n == 3' -ex run -ex bt -ex finish -ex 'watch counter' -ex continue "
                       "-ex delete -ex continue ./d", 120)
        matches(r"Breakpoint 1, inner \(n=3\)", out)
        matches(r"^#1 .* in main \(argc=1", out)
        matches(r"Value returned is .* = 6", out)
        matches(r"^Hardware watchpoint 2: counter\n\nOld value = 6\nNew value = 10", out)
        matches(r"^sum 20 10\n\[Inferior 1 \(process \d+\) exited normally\]", out)
        out = vm.check("g -ex 'catch syscall write' -ex run -ex delete -ex stepi -ex continue ./d", 120)
        matches(r"Catchpoint 1 \(call to syscall write\)", out)
        matches("exited normally", out)
        out = vm.check("g -ex 'break work' -ex run -ex 'info threads' -ex delete -ex continue ./t", 120)
        matches(r"^\* 2 .*work \(", out)
        matches(r"^count 80000", out)
        out = vm.check("./d loop >/dev/null & sleep 1; g -p $! -ex bt -ex 'print counter > 10' -ex detach; "
                       "kill -0 $! && kill $!; wait $! || echo status $?", 120)
        matches(r"^#\d+ .* in main \(argc=2", out)
        matches(r"^\$1 = 1", out)
        matches("^status 143", out)


@slow
def test_strace(lab):
    """strace: children, descriptors' names, counts, attach."""
    with machine(lab) as vm:
        prepare(vm)
        equal(vm.check("strace -f -o s.txt sh -c 'echo hi | cat; ls / >/dev/null'"), "hi")
        equal(vm.check("grep -c 'exited with 0 +++' s.txt"), "4")
        matches(r"openat\(AT_FDCWD</root/w>, \"/etc/hostname\", .*\) = 3</etc/hostname>",
                vm.check("strace -y -e trace=openat cat /etc/hostname 2>&1"))
        matches(r"killed by SIGUSR1", vm.run("strace sh -c 'kill -USR1 $$' 2>&1")[0])
        matches(r"100\.00 .* total", vm.check("strace -c -f ls / 2>&1 >/dev/null"))
        matches(r"SIGTERM \{si_signo=SIGTERM, si_code=SI_USER", vm.run(
            "sleep 100 & P=$!; (sleep 1; kill $P) & strace -p $P 2>&1; wait $P 2>/dev/null")[0])


@slow
def test_dpkg(lab):
    """dpkg --configure -a: the packages' own scripts, for every package of the root image."""
    image = lab.image("dpkg.ext2")
    with lab.vm(image, init="/bin/bash", snapshot=False) as vm:
        shared.prepare(vm)
        equal(vm.run("dpkg -l | grep -c ^ii")[0], "0")
        vm.check("DEBIAN_FRONTEND=noninteractive dpkg --configure -a >/tmp/said 2>&1 || { tail -20 /tmp/said; false; }", 900)
        equal(vm.check("dpkg --audit; dpkg -l | tail -n +6 | grep -v ^ii || true"), "")
        count = int(vm.check("dpkg -l | grep -c ^ii"))
        assert count > 60, count
        vm.check("sync; mount -o remount,ro /")
    shared.fsck(image)
    os.unlink(image)


# --- Maestro builds Maestro ---------------------------------------------------------

def sources(path):
    """The sources of this tree, as a tar file that is a disk."""
    names = subprocess.run(["git", "-C", shared.TOP, "ls-files", "-z", "Makefile", "core", "hal", "distro/rules.mk",
                            "tests/*/rules.mk", "libmaestro/rules.mk", "fuse-frontend/rules.mk"],
                           stdout=subprocess.PIPE, check=True).stdout
    subprocess.run(["tar", "-C", shared.TOP, "--null", "-T", "-", "-cf", path], input=names, check=True)


def sums(text):
    return {name: digest for digest, name in (line.split() for line in text.splitlines())}


@slow
@shared.maestro_only
def test_selfbuild(lab):
    """Maestro builds Maestro: each object, and the kernel, is byte for byte the host's; it boots."""
    os.makedirs(shared.SCRATCH, exist_ok=True)
    tar, out = os.path.join(shared.SCRATCH, "sources.tar"), os.path.join(shared.SCRATCH, "selfbuilt.elf")
    sources(tar)
    with open(out, "wb") as f:
        f.truncate(16 << 20)
    find = "find build/bare build/vdso-i386.so build/maestro.elf -name '*.o' -o -name '*.so' -o -name '*.elf' | sort | xargs sha256sum"
    disks = ["-drive", "file=%s,format=raw,if=virtio,snapshot=on" % tar, "-drive", "file=%s,format=raw,if=virtio,cache=unsafe" % out]
    with guest.VM("maestro", DEVROOT, mem=1024, init="/bin/bash", extra=disks, log=lab.test + "-maestro") as vm:
        prepare(vm)
        vm.check("mkdir maestro && cd maestro && tar xf /dev/vdb")
        vm.check("make build/maestro.elf >log 2>&1 || { tail log; false; }", 7200)
        ours = sums(vm.check(find, 120))
        size = int(vm.check("cat build/maestro.elf >/dev/vdc && sync && wc -c <build/maestro.elf"))
    with tempfile.TemporaryDirectory(dir=shared.SCRATCH) as here:
        subprocess.run(["tar", "-C", here, "-xf", tar], check=True)
        subprocess.run(["make", "-C", here, "build/maestro.elf"], check=True, stdout=subprocess.DEVNULL)
        hosts = sums(subprocess.run(find, shell=True, cwd=here, stdout=subprocess.PIPE, text=True, check=True).stdout)
    equal(sorted(name for name in ours if ours[name] != hosts.get(name)), [], "what the host makes otherwise")
    os.truncate(out, size)
    with lab.vm(elf=out, init="/bin/bash", log=lab.test + "-selfbuilt") as vm:
        shared.prepare(vm)
        equal(vm.check("echo hi | cat"), "hi")
        vm.check("ls -l /bin /usr/bin >/dev/null && su user -s /bin/bash -c id")

# SPDX-License-Identifier: MIT
"""Programs of other C libraries, and static ones."""
import glob
import os
import subprocess
import tempfile

import lab as shared
from lab import BUILD, Skip, equal

OUT = os.path.join(BUILD, "guest-tmp")

# Declarations only: there are no 32-bit musl headers to include.
MUSL = r"""
// SPDX-License-Identifier: MIT
typedef unsigned long size_t;
extern int printf(const char *, ...), puts(const char *), fflush(void *);
extern int pthread_create(unsigned long *, void *, void *(*)(void *), void *), pthread_join(unsigned long, void **);
extern void *malloc(size_t), free(void *);
extern int fork(void), waitpid(int, int *, int);
extern void _exit(int);
extern int __libc_start_main(int (*)(int, char **, char **), int, char **, void (*)(void), void (*)(void), void (*)(void));
static _Thread_local int tls = 5;
static void *thread(void *arg) { tls = 6; return (char *)arg + tls; }
static int main_(int argc, char **argv, char **envp)
{
	unsigned long t;
	void *r = 0;
	int s = 0;

	(void)envp;
	printf("musl %d %s %.3f\n", argc, argv[1], 2.0 / 3.0);
	for (int i = 0; i < 100; i++)
		free(malloc(100000));
	if (pthread_create(&t, 0, thread, (void *)10) == 0 && pthread_join(t, &r) == 0)
		printf("thread %d tls %d\n", (int)r, tls);
	fflush(0);
	int c = fork();
	if (c == 0)
		_exit(33);
	waitpid(c, &s, 0);
	printf("child %d\n", s >> 8 & 255);
	return 3;
}
static void nothing(void) { }
__attribute__((used)) static void begin(long *p)
{
	__libc_start_main(main_, (int)p[0], (char **)(p + 1), nothing, nothing, 0);
}
__asm__(".globl _start\n_start: xorl %ebp, %ebp\n movl %esp, %eax\n andl $-16, %esp\n subl $12, %esp\n pushl %eax\n call begin\n hlt");
"""


def build_musl(kind):
    """Link against Debian's own i386 libc.so of musl; gives the program's path."""
    debs = glob.glob(os.path.join(BUILD, "debs", "musl_*_i386.deb"))
    if not debs:
        raise Skip("no musl package in build/debs")
    os.makedirs(OUT, exist_ok=True)
    target = os.path.join(OUT, "musl-test-" + kind)
    with tempfile.TemporaryDirectory() as tmp:
        subprocess.run(["dpkg-deb", "-x", debs[0], tmp], check=True)
        libc = glob.glob(tmp + "/**/i386-linux-musl/libc.so", recursive=True)[0]
        source = os.path.join(tmp, "test.c")
        with open(source, "w") as f:
            f.write(MUSL)
        flags = {"pie": ["-fPIE", "-pie"], "fixed": ["-fno-pie", "-no-pie"]}[kind]
        subprocess.run(["gcc", "-m32", "-O1", "-w", "-fno-stack-protector", "-ffreestanding",
                        "-nostdlib", *flags, "-Wl,--dynamic-linker=/lib/ld-musl-i386.so.1",
                        "-o", target, source, "-L" + os.path.dirname(libc), "-lc"], check=True)
    return target


def test_musl(lab):
    """Dynamic programs with musl's loader, at a fixed place and at any."""
    pie, fixed = build_musl("pie"), build_musl("fixed")
    image = lab.image("musl.ext2", [(pie, "/root/pie", 0o755), (fixed, "/root/fixed", 0o755)])
    want = "musl 2 word 0.667\nthread 16 tls 5\nchild 33"
    with lab.vm(image, init="/bin/bash") as vm:
        shared.prepare(vm)
        for name in ("pie", "fixed"):
            out, status = vm.run("/root/%s word" % name)
            equal(out, want, name)
            equal(status, 3, name)
        out, status = vm.run("/lib/ld-musl-i386.so.1 /root/pie word")
        equal(out, want, "loader as a program")
    os.unlink(image)


def test_static_busybox(lab):
    """The static busybox, its shell and applets."""
    vm = lab.bash()
    equal(vm.check("busybox sh -c 'for i in 1 2 3; do echo $i; done | busybox wc -l'"), "3")
    equal(vm.check("busybox seq 10 | busybox awk '{ s += $1 } END { print s }'"), "55")
    assert int(vm.check("busybox --list | wc -l")) > 200


def test_ldd(lab):
    """The dynamic loader lists what a program needs."""
    out = lab.bash().check("ldd /bin/bash")
    assert "libc.so.6 => /" in out and "ld-linux.so.2" in out, out

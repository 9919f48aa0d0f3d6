// SPDX-License-Identifier: MIT
/* Unmodified programs of Debian, from the root on the second disk (WORLD), in a directory there that is forgotten with the machine. */
#define _GNU_SOURCE
#include "bench.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PLACE "/root/bench"

/* Into the root on the second disk, with what programs expect of a running system. */
static void enter_world(void)
{
	static const char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin", home[] = "HOME=/root", lang[] = "LC_ALL=C.UTF-8";

	mount("proc", WORLD "/proc", "proc", 0, NULL);
	mount("devtmpfs", WORLD "/dev", "devtmpfs", 0, NULL);
	mount("tmpfs", WORLD "/tmp", "tmpfs", 0, NULL);
	if (chroot(WORLD) < 0)
		die("chroot");
	mkdir(PLACE, 0755);
	if (chdir(PLACE) < 0 || putenv((char *)path) || putenv((char *)home) || putenv((char *)lang))
		die(PLACE);
}

/*
 * As enter_world, with programs at the same addresses each time. QEMU keeps its translation of a program's code by address: where addresses are
 * drawn at random, most of what a start takes is the translator's work, whatever the kernel.
 */
static void enter_same_place(void)
{
	enter_world();
	if (personality(ADDR_NO_RANDOMIZE) < 0)
		die("personality");
}

/* The program with its arguments must end with status 0; what it says is dropped. */
static void start(char *const argv[])
{
	pid_t c = fork();

	if (c == 0) {
		int fd = open("/dev/null", O_RDWR);

		dup2(fd, 0);
		dup2(fd, 1);
		execvp(argv[0], argv);
		_exit(127);
	}
	reap(c);
}

static void shell(const char *script)
{
	start((char *[]){ (char *)"sh", (char *)"-ec", (char *)script, NULL });
}

static void repeat(long n, char *const argv[])
{
	while (n-- > 0)
		start(argv);
}

static void exec_dynamic(long n)
{
	repeat(n, (char *[]){ (char *)"/bin/true", NULL });
}

static void shell_true(long n)
{
	repeat(n, (char *[]){ (char *)"/bin/sh", (char *)"-c", (char *)"true", NULL });
}

static void python_start(long n)
{
	repeat(n, (char *[]){ (char *)"/usr/bin/python3", (char *)"-c", (char *)"pass", NULL });
}

static void perl_start(long n)
{
	repeat(n, (char *[]){ (char *)"/usr/bin/perl", (char *)"-e", (char *)"0", NULL });
}

/* 2,000 lines: 200 functions of ten. */
static void write_source(void)
{
	enter_world();
	FILE *f = fopen("a.c", "w");
	if (!f)
		die("a.c");
	fputs("#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n#include <unistd.h>\n\n", f);
	for (int i = 0; i < 200; i++)
		fprintf(f,
			"int f%d(const char *s, int n);\nint f%d(const char *s, int n)\n{\n\tint sum = %d;\n\n\tfor (int i = 0; i < n && s[i]; i++)\n"
			"\t\tsum = sum * 31 + (s[i] ^ (int)strlen(s + i));\n\treturn sum > %d ? sum - n : abs(sum);\n}\n\n",
			i, i, i, i * 7);
	if (fclose(f))
		die("a.c");
}

static void compile(long n)
{
	repeat(n, (char *[]){ (char *)"gcc", (char *)"-O1", (char *)"-c", (char *)"-o", (char *)"a.o", (char *)"a.c", NULL });
}

static void make_repository(void)
{
	enter_world();
	shell("rm -rf r; git init -q r; cd r; for d in $(seq 50); do mkdir d$d; for f in $(seq 100); do echo $d $f > d$d/f$f; done; done;"
	      "git add .; git -c user.name=n -c user.email=a@b commit -q -m first; git status >/dev/null");
	if (chdir("r") < 0)
		die("r");
}

static void git_status(long n)
{
	repeat(n, (char *[]){ (char *)"git", (char *)"status", (char *)"--short", NULL });
}

const struct row rows_world[] = {
	{ "exec-dynamic", exec_dynamic, 40, 0, enter_world, 3 },
	{ "sh-c-true", shell_true, 40, 0, enter_world, 3 },
	{ "perl-start", perl_start, 10, 0, enter_world, 3 },
	{ "python-start", python_start, 3, 0, enter_world, 3 },
	{ "gcc-2000-lines", compile, 1, 0, write_source, 2 },
	{ "sh-same-place", shell_true, 40, 0, enter_same_place, 3 },
	{ "perl-same-place", perl_start, 10, 0, enter_same_place, 3 },
	{ "python-same-place", python_start, 3, 0, enter_same_place, 3 },
	{ "git-status-5000", git_status, 2, 0, make_repository, 3 },
	{ NULL, NULL, 0, 0, NULL, 0 },
};

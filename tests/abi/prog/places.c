// SPDX-License-Identifier: MIT
/* Where exec(2) puts things: /proc/sys/kernel/randomize_va_space and ADDR_NO_RANDOMIZE of personality(2). */
#include "../abi.h"

#include <sys/auxv.h>
#include <sys/personality.h>

#define SELF "/abi/places"
#define KNOB "/proc/sys/kernel/randomize_va_space"

extern char end[];

struct places {
	unsigned long stack, heap, map, vdso, random;
};

static void tell(char **argv)
{
	struct places p = { (unsigned long)argv, (unsigned long)sbrk(0), 0, getauxval(AT_SYSINFO_EHDR), getauxval(AT_RANDOM) };

	p.map = (unsigned long)mmap(NULL, 1 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	write(1, &p, sizeof(p));
}

static struct places ask(void)
{
	struct places p = { 0 };
	int fd[2];

	pipe(fd);
	if (fork() == 0) {
		dup2(fd[1], 1);
		execl(SELF, SELF, "tell", NULL);
		_exit(1);
	}
	close(fd[1]);
	if (read(fd[0], &p, sizeof(p)) != sizeof(p))
		abi_line("ask", "failed");
	close(fd[0]);
	wait(NULL);
	return p;
}

enum { TIMES = 24 };

static void compare(const char *name)
{
	struct places first = ask();
	int stack = 0, heap = 0, map = 0, vdso = 0, random = 0;

	for (int i = 0; i < TIMES; i++) {
		struct places p = ask();

		stack += p.stack != first.stack;
		heap += p.heap != first.heap;
		map += p.map != first.map;
		vdso += p.vdso != first.vdso;
		random += p.random != first.random;
	}
	abi_line(name, "stack %s, heap %s, maps %s, vdso %s, AT_RANDOM %s", stack ? "moves" : "stays", heap ? "moves" : "stays",
		 map ? "moves" : "stays", vdso ? "moves" : "stays", random ? "moves" : "stays");
}

static void set_knob(const char *value)
{
	int fd = open(KNOB, O_WRONLY);

	abi_line("set to", "%s: %zd", value, write(fd, value, 1));
	close(fd);
}

int main(int argc, char **argv)
{
	if (argc > 1) {
		tell(argv);
		return 0;
	}
	compare("as it is");
	personality(ADDR_NO_RANDOMIZE);
	compare("ADDR_NO_RANDOMIZE");
	personality(0);
	set_knob("1");
	compare("but for the heap");
	set_knob("0");
	compare("nothing");
	set_knob("2");
	compare("all again");
	return 0;
}

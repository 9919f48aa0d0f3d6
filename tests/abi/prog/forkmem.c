// SPDX-License-Identifier: MIT
/* fork(2) of large areas: what child and parent see when either writes, gives back, protects or moves parts, over several tables of entries. */
#include "../abi.h"

#include <setjmp.h>

#ifndef MADV_NOHUGEPAGE
#define MADV_NOHUGEPAGE 15
#endif

enum { P = 4096, PAGES = 1800 }; /* seven MiB: four or five tables, of which the outer ones are shared with other areas */

static char *area, *shared;
static sigjmp_buf back;

static void on_fault(int s)
{
	siglongjmp(back, s);
}

static const char *write_to(volatile char *p)
{
	int s = sigsetjmp(back, 1);

	if (s)
		return abi_signal(s);
	*p = 'w';
	return "done";
}

/* Every seventh page is not written; half of these are read, and so are the zero page. */
static bool is_hole(int i)
{
	return i % 7 == 0;
}

static unsigned stamp(int i, unsigned who)
{
	return is_hole(i) ? 0 : (unsigned)i * 3 + who;
}

static unsigned *word(int i)
{
	return (unsigned *)(void *)(area + i * P);
}

static void fill(unsigned who)
{
	for (int i = 0; i < PAGES; i++)
		if (!is_hole(i))
			*word(i) = stamp(i, who);
		else if (i % 14 == 0)
			(void)*(volatile unsigned *)word(i);
}

static int right(int first, int last, unsigned who)
{
	int n = 0;

	for (int i = first; i < last; i++)
		n += *word(i) == stamp(i, who);
	return n;
}

/* What /proc/self/smaps says of the area at addr. */
static void usage(const char *name, const void *addr)
{
	static const char *const keys[] = { "Rss:", "Shared_Clean:", "Shared_Dirty:", "Private_Clean:", "Private_Dirty:", "Anonymous:" };
	long value[6] = { 0 };
	char line[256];
	bool inside = false;
	FILE *f = fopen("/proc/self/smaps", "r");

	while (f && fgets(line, sizeof(line), f)) {
		unsigned long from, to;

		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			inside = (unsigned long)addr >= from && (unsigned long)addr < to;
		for (int k = 0; inside && k < 6; k++)
			if (strncmp(line, keys[k], strlen(keys[k])) == 0)
				value[k] = atol(line + strlen(keys[k])) / 4;
	}
	if (f)
		fclose(f);
	abi_line(name, "rss %ld, shared %ld clean %ld dirty, private %ld clean %ld dirty, anonymous %ld pages", value[0], value[1], value[2],
		 value[3], value[4], value[5]);
}

static void make_areas(void)
{
	char *p = mmap(NULL, 16 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	char *aligned = (char *)(((unsigned long)p + (4 << 20) - 1) & ~((4UL << 20) - 1));

	area = mmap(aligned + 300 * P, PAGES * P, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	shared = mmap(NULL, 600 * P, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	(void)madvise(area, PAGES * P, MADV_NOHUGEPAGE);
	fill(1);
	memset(shared, 's', 600 * P);
}

static void test_writes(void)
{
	int go[2], gone[2];
	char c;

	pipe(go);
	pipe(gone);
	usage("before fork", area);
	pid_t child = fork();
	if (child == 0) {
		usage("child begins", area);
		write(gone[1], "", 1);
		read(go[0], &c, 1);
		NUM("child after parent's writes", right(0, PAGES, 1));
		for (int i = 0; i < PAGES; i += 5)
			*word(i) = stamp(i, 200);
		shared[599 * P] = 'c';
		usage("child wrote", area);
		write(gone[1], "", 1);
		read(go[0], &c, 1);
		_exit(right(1, 2, 1) * 2 + right(5, 6, 200));
	}
	read(gone[0], &c, 1);
	for (int i = 0; i < PAGES; i += 3)
		*word(i) = stamp(i, 100);
	write(go[1], "", 1);
	read(gone[0], &c, 1);
	int good = 0;
	for (int i = 0; i < PAGES; i++)
		good += *word(i) == stamp(i, i % 3 ? 1 : 100);
	NUM("parent's own", good);
	NUM("shared", shared[599 * P]);
	usage("parent beside child", area);
	write(go[1], "", 1);
	int status = 0;
	waitpid(child, &status, 0);
	abi_status("child", status);
	fill(1);
	usage("parent alone", area);
	NUM("written again", right(0, PAGES, 1));
	for (int fd = 0; fd < 2; fd++) {
		close(go[fd]);
		close(gone[fd]);
	}
}

static void give_back(void)
{
	CALL("munmap of the middle", munmap(area + 600 * P, 701 * P));
	abi_line("in the hole", "%s", write_to(area + 900 * P));
	NUM("below", right(0, 600, 1));
	NUM("above", right(1301, PAGES, 1));
	usage("lower part", area);
	usage("upper part", area + 1400 * P);
	CALL("drop", madvise(area + 100 * P, 50 * P, MADV_DONTNEED));
	NUM("dropped are zero", right(100, 150, 1));
	NUM("first", *word(0));
}

static void protect(void)
{
	CALL("mprotect", mprotect(area + 512 * P, 700 * P, PROT_READ));
	abi_line("write to it", "%s", write_to(area + 700 * P));
	abi_line("write beside it", "%s", write_to(area + 511 * P + 4));
	CALL("none", mprotect(area + 1500 * P, 33 * P, PROT_NONE));
	abi_line("write to none", "%s", write_to(area + 1501 * P));
	CALL("all again", mprotect(area, PAGES * P, PROT_READ | PROT_WRITE));
	NUM("as before", right(0, PAGES, 1));
	fill(5);
	NUM("filled", right(0, PAGES, 5));
}

static void move(void)
{
	char *to = mmap(NULL, 700 * P, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned *first;

	YES("mremap", mremap(area + 400 * P, 700 * P, 700 * P, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
	first = (unsigned *)(void *)to;
	NUM("first moved", *first == stamp(400, 1));
	*first = 7;
	usage("moved", to);
	abi_line("where it was", "%s", write_to(area + 401 * P));
	NUM("rest", right(0, 400, 1) + right(1100, PAGES, 1));
}

static void grandchildren(void)
{
	for (int i = 0; i < 3; i++) {
		CHILD("grandchild", NUM("sees", right(0, PAGES, 1)); *word(1 + i) = 9; _exit(*word(2 + i) == stamp(2 + i, 1)));
		*word(700 + i) = 1000;
	}
	NUM("child between", right(0, PAGES, 1));
	usage("child between", area);
}

/* The kernel writes for the program: a read(2) into what is shared by fork. */
static void kernel_writes(void)
{
	int fd = open("/dev/zero", O_RDONLY);

	CALL("read into it", read(fd, area + 1000 * P, 100 * P));
	close(fd);
	NUM("left", right(0, PAGES, 1));
}

int main(void)
{
	signal(SIGSEGV, on_fault);
	setvbuf(stdout, NULL, _IONBF, 0);
	make_areas();
	test_writes();
	CHILD("giving back", give_back());
	CHILD("protecting", protect());
	CHILD("moving", move());
	CHILD("forking", grandchildren());
	CHILD("kernel writes", kernel_writes());
	CHILD("exec", execl("/bin/sh", "sh", "-c", ":", NULL); _exit(3));
	NUM("untouched", right(0, PAGES, 1));
	usage("at the end", area);
	fill(2);
	NUM("written", right(0, PAGES, 2));
	CHILD("last", NUM("sees", right(0, PAGES, 2)); give_back());
	return 0;
}

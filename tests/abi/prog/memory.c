// SPDX-License-Identifier: MIT
/* mmap, munmap, mprotect, mremap, madvise, msync, mincore, mlock, brk, memfd. */
#include "../abi.h"
#include <setjmp.h>

enum { P = 4096 };

static sigjmp_buf again;

static void on_fault(int s)
{
	siglongjmp(again, s);
}

/* Can it be read, can it be written? */
static void rw(const char *name, volatile char *p)
{
	static char text[4];
	volatile char c = 0;

	strcpy(text, "--");
	if (sigsetjmp(again, 1) == 0) {
		c = *p;
		text[0] = 'r';
	}
	if (sigsetjmp(again, 1) == 0) {
		*p = c;
		text[1] = 'w';
	}
	STR(name, text);
}

static void mapped(const char *name, void *p)
{
	if (p == MAP_FAILED)
		abi_return(name, -1);
	else
		abi_line(name, "mapped%s", (uintptr_t)p % P ? " unaligned" : "");
}

static char *anon(size_t pages, int prot)
{
	return mmap(NULL, pages * P, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void test_anonymous(void)
{
	char *p = anon(4, PROT_READ | PROT_WRITE), *q;

	mapped("anon", p);
	YES("zeroed", p[0] == 0 && p[4 * P - 1] == 0);
	memset(p, 'a', 4 * P);
	CALL("munmap middle", munmap(p + P, P));
	rw("first", p);
	rw("hole", p + P);
	rw("third", p + 2 * P);
	CALL("munmap again", munmap(p + P, P));
	CALL("munmap unaligned", munmap(p + 1, P));
	CALL("munmap zero", munmap(p, 0));
	CALL("munmap kernel", munmap((void *)0xC0000000, P));
	CALL("munmap over the end", munmap((void *)0xBFFFF000, 2 * P));
	q = mmap(p + P, P, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	YES("fixed in hole", q == p + P);
	rw("fixed", p + P);
	q = mmap(p, P, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	YES("fixed replaces", q == p && p[0] == 0);
	q = mmap(p, P, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	mapped("fixed noreplace", q);
	mapped("fixed unaligned", mmap(p + 5, P, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	mapped("fixed kernel", mmap((void *)0xC0000000, P, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	mapped("hint unaligned", mmap((void *)0x50000123, P, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	q = mmap((void *)0x58000000, P, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	YES("free hint is taken", q == (char *)0x58000000);
	mapped("zero length", mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	mapped("no type", mmap(NULL, P, PROT_READ, MAP_ANONYMOUS, -1, 0));
	mapped("shared and private", mmap(NULL, P, PROT_READ, MAP_ANONYMOUS | MAP_SHARED | MAP_PRIVATE, -1, 0));
	mapped("huge length", mmap(NULL, 0xfffff000u, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	mapped("3 GiB", mmap(NULL, 0xC0000000u, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	mapped("bad fd", mmap(NULL, P, PROT_READ, MAP_PRIVATE, 99, 0));
	mapped("low address", mmap((void *)P, P, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	CHILD("low address unprivileged", setuid(1000);
		mapped("low", mmap((void *)P, P, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0)));
	p = mmap(NULL, P, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHILD("shared anon", strcpy(p, "child"));
	STR("seen", p);
	p = anon(1, PROT_READ | PROT_WRITE);
	strcpy(p, "parent");
	CHILD("private anon", strcpy(p, "child"));
	STR("not seen", p);
	CHILD("growsdown", q = mmap((void *)0x60000000, P, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_FIXED, -1, 0);
		rw("below", q - 8));
	CALL("populate", mmap(NULL, 8 * P, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0) == MAP_FAILED);
	CHILD("address limit", setrlimit(RLIMIT_AS, &(struct rlimit) { 8 << 20, 8 << 20 });
		mapped("over limit", mmap(NULL, 16 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)));
}

static void test_protect(void)
{
	char *p = anon(3, PROT_READ | PROT_WRITE);

	CALL("mprotect read", mprotect(p, P, PROT_READ));
	rw("read only", p);
	CALL("mprotect none", mprotect(p + P, P, PROT_NONE));
	rw("none", p + P);
	rw("neighbour", p + 2 * P);
	CALL("mprotect back", mprotect(p, 3 * P, PROT_READ | PROT_WRITE));
	rw("back", p + P);
	CALL("write only", mprotect(p, P, PROT_WRITE));
	rw("write only reads", p);
	CALL("mprotect unaligned", mprotect(p + 1, P, PROT_READ));
	CALL("mprotect zero", mprotect(p, 0, PROT_READ));
	munmap(p + P, P);
	CALL("mprotect over hole", mprotect(p, 3 * P, PROT_READ));
	rw("before hole changed", p);
	rw("after hole unchanged", p + 2 * P);
	CALL("mprotect bad bits", mprotect(p, P, 0x100));
	CALL("mprotect grows", mprotect(p, P, PROT_READ | PROT_GROWSDOWN));
	p = anon(1, PROT_READ | PROT_WRITE);
	p[0] = (char)0xc3;
	CHILD("execute without x", signal(SIGSEGV, SIG_DFL); ((void (*)(void))p)());
	mprotect(p, P, PROT_READ | PROT_EXEC);
	CHILD("execute with x", ((void (*)(void))p)(); _exit(3));
	CALL("madvise dontneed", (mprotect(p, P, PROT_READ | PROT_WRITE), madvise(p, P, MADV_DONTNEED)));
	NUM("dontneed zeroes", p[0]);
	CALL("madvise bad", madvise(p, P, 999));
	CALL("madvise unaligned", madvise(p + 1, P, MADV_NORMAL));
	CALL("madvise hole", (munmap(p, P), madvise(p, P, MADV_WILLNEED)));
	p = anon(2, PROT_READ | PROT_WRITE);
	p[0] = 1;
	unsigned char vec[2];
	CALL("mincore", mincore(p, 2 * P, vec));
	abi_line("resident", "%d %d", vec[0] & 1, vec[1] & 1);
	CALL("mincore unaligned", mincore(p + 1, P, vec));
	CALL("mincore hole", (munmap(p + P, P), mincore(p, 2 * P, vec)));
	CALL("mlock", mlock(p, P));
	CALL("munlock", munlock(p, P));
	CALL("mlock hole", mlock(p, 2 * P));
	CALL("mlockall bad", mlockall(0));
	CALL("munlockall", munlockall());
}

static void test_remap(void)
{
	char *p = anon(4, PROT_READ | PROT_WRITE), *q;

	strcpy(p, "moved along");
	p[3 * P] = 'x';
	q = mremap(p, 4 * P, 2 * P, 0);
	YES("shrink in place", q == p);
	rw("cut off", p + 2 * P);
	q = mremap(p, 2 * P, 3 * P, 0);
	YES("grow in place", q == p);
	mmap(p + 3 * P, P, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	mapped("cannot grow", mremap(p, 3 * P, 5 * P, 0));
	q = mremap(p, 3 * P, 64 * P, MREMAP_MAYMOVE);
	mapped("moved", q);
	STR("content", q);
	rw("old place", p);
	char *to = anon(2, PROT_NONE);
	p = mremap(q, 64 * P, 2 * P, MREMAP_MAYMOVE | MREMAP_FIXED, to);
	YES("to a fixed place", p == to);
	STR("content fixed", p);
	mapped("fixed without maymove", mremap(p, P, P, MREMAP_FIXED, q));
	mapped("unaligned", mremap(p + 1, P, 2 * P, MREMAP_MAYMOVE));
	mapped("new zero", mremap(p, P, 0, MREMAP_MAYMOVE));
	mapped("not mapped", mremap((void *)0x10000000, P, 2 * P, MREMAP_MAYMOVE));
	mapped("bad flag", mremap(p, P, 2 * P, 64));
	char *s = mmap(NULL, P, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	strcpy(s, "twin");
	q = mremap(s, 0, P, MREMAP_MAYMOVE);
	mapped("duplicate of shared", q);
	if (q != MAP_FAILED) {
		strcpy(s, "both");
		STR("same pages", q);
	}
}

static void test_files(void)
{
	char buf[64];
	int fd = open("f", O_RDWR | O_CREAT | O_TRUNC, 0644), ro, wo;
	char *p, *q;

	write(fd, "file content", 12);
	p = mmap(NULL, P, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	mapped("shared", p);
	STR("content", p);
	YES("tail is zero", p[12] == 0 && p[4095] == 0);
	memcpy(p, "FILE", 4);
	pread(fd, buf, 12, 0);
	buf[12] = 0;
	STR("read sees map", buf);
	pwrite(fd, "disk", 4, 5);
	STR("map sees write", p);
	p[100] = 'z';
	struct stat st;
	fstat(fd, &st);
	NUM("size stays", st.st_size);
	CALL("msync", msync(p, P, MS_SYNC));
	CALL("msync async", msync(p, P, MS_ASYNC));
	CALL("msync both", msync(p, P, MS_SYNC | MS_ASYNC));
	CALL("msync unaligned", msync(p + 1, P, MS_SYNC));
	CALL("msync hole", msync((void *)0x10000000, P, MS_SYNC));
	q = mmap(NULL, P, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	memcpy(q, "priv", 4);
	pread(fd, buf, 4, 0);
	buf[4] = 0;
	STR("private not written", buf);
	pwrite(fd, "later", 5, 0);
	STR("private page stays", q);
	STR("shared page follows", p);
	ro = open("f", O_RDONLY);
	wo = open("f", O_WRONLY);
	mapped("shared write on ro", mmap(NULL, P, PROT_READ | PROT_WRITE, MAP_SHARED, ro, 0));
	mapped("private write on ro", mmap(NULL, P, PROT_READ | PROT_WRITE, MAP_PRIVATE, ro, 0));
	mapped("read on wo", mmap(NULL, P, PROT_READ, MAP_SHARED, wo, 0));
	mapped("offset unaligned", mmap(NULL, P, PROT_READ, MAP_SHARED, fd, 100));
	mapped("directory", mmap(NULL, P, PROT_READ, MAP_SHARED, open(".", O_RDONLY), 0));
	mapped("dev zero", q = mmap(NULL, P, PROT_READ | PROT_WRITE, MAP_PRIVATE, open("/dev/zero", O_RDWR), 0));
	rw("dev zero use", q);
	mapped("dev null", mmap(NULL, P, PROT_READ, MAP_PRIVATE, open("/dev/null", O_RDWR), 0));
	int pp[2];
	pipe(pp);
	mapped("pipe", mmap(NULL, P, PROT_READ, MAP_PRIVATE, pp[0], 0));
	q = mmap(NULL, P, PROT_READ, MAP_SHARED, ro, 0);
	CALL("mprotect write on ro shared", mprotect(q, P, PROT_READ | PROT_WRITE));
	/* Truncation takes the pages. */
	ftruncate(fd, 3 * P);
	q = mmap(NULL, 3 * P, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	q[2 * P] = 'T';
	ftruncate(fd, P);
	rw("after truncate", q + 2 * P);
	ftruncate(fd, 3 * P);
	rw("grown again", q + 2 * P);
	NUM("and zero", q[2 * P]);
	close(fd);
	rw("lives without fd", q);
	unlink("f");
	rw("lives without name", q);
	fd = open("g", O_RDWR | O_CREAT | O_TRUNC, 0644);
	ftruncate(fd, 20 * P);
	p = mmap(NULL, 20 * P, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	for (int i = 0; i < 20; i++)
		p[i * P + i] = (char)('a' + i);
	munmap(p, 20 * P);
	int good = 0;
	for (int i = 0; i < 20; i++)
		good += pread(fd, buf, 1, i * P + i) == 1 && buf[0] == 'a' + i;
	NUM("written by map", good);
	CHILD("file map in fork", p = mmap(NULL, P, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0); p[7] = 'F');
	pread(fd, buf, 1, 7);
	NUM("by child", buf[0]);
	int m;
	CALL("memfd", m = memfd_create("name", MFD_ALLOW_SEALING));
	CALL("memfd truncate", ftruncate(m, P));
	p = mmap(NULL, P, PROT_READ | PROT_WRITE, MAP_SHARED, m, 0);
	mapped("memfd map", p);
	CALL("seal with map", fcntl(m, F_ADD_SEALS, F_SEAL_WRITE));
	CALL("seal shrink", fcntl(m, F_ADD_SEALS, F_SEAL_SHRINK));
	CALL("sealed", ftruncate(m, 0));
	CALL("get seals", fcntl(m, F_GET_SEALS));
	CALL("memfd bad flag", memfd_create("name", 0x100));
	mapped("old mmap", (void *)syscall(SYS_mmap2, 0, P, PROT_READ, MAP_PRIVATE, m, 0));
	mapped("mmap2 offset pages", (void *)syscall(SYS_mmap2, 0, P, PROT_READ, MAP_PRIVATE, m, 5));
}

static void test_brk(void)
{
	char *start = sbrk(0), *p;

	YES("brk starts on", start != (void *)-1);
	p = (char *)syscall(SYS_brk, start + 3 * P);
	YES("grown", p == start + 3 * P);
	rw("usable", start + 2 * P);
	YES("zero", start[2 * P + 5] == 0);
	start[2 * P + 5] = 1;
	p = (char *)syscall(SYS_brk, start + P);
	YES("shrunk", p == start + P);
	p = (char *)syscall(SYS_brk, start + 3 * P);
	YES("zero again", start[2 * P + 5] == 0);
	p = (char *)syscall(SYS_brk, 0);
	YES("query", p == start + 3 * P);
	p = (char *)syscall(SYS_brk, 0xB0000000);
	YES("too far", p == start + 3 * P);
	p = (char *)syscall(SYS_brk, 0x1000);
	YES("too low", p == start + 3 * P);
	p = (char *)syscall(SYS_brk, start + 12345);
	YES("unaligned is kept", p == start + 12345);
	CHILD("data limit", setrlimit(RLIMIT_DATA, &(struct rlimit) { 100000, 100000 });
		p = (char *)syscall(SYS_brk, start + (1 << 20));
		YES("limited", p == start + 12345));
}

int main(void)
{
	signal(SIGSEGV, on_fault);
	signal(SIGBUS, on_fault);
	setrlimit(RLIMIT_CORE, &(struct rlimit) { 0, 0 });
	test_brk();
	test_anonymous();
	test_protect();
	test_remap();
	test_files();
	return 0;
}

// SPDX-License-Identifier: MIT
/* Asynchronous I/O: contexts, submission, events, polling, cancellation. */
#include "../abi.h"
#include <linux/aio_abi.h>
#include <sys/eventfd.h>

static long setup(unsigned nr, aio_context_t *c)
{
	return syscall(SYS_io_setup, nr, c);
}

static long submit(aio_context_t c, struct iocb *cb)
{
	return syscall(SYS_io_submit, c, 1L, &cb);
}

static long getevents(aio_context_t c, long min, long n, struct io_event *e, struct timespec *t)
{
	return syscall(SYS_io_getevents, c, min, n, e, t);
}

/* The next event, which should be of cb. */
static void event(const char *name, aio_context_t c, struct iocb *cb)
{
	struct io_event e = { 0, 0, 0, 0 };
	struct timespec t = { 2, 0 };
	long n = getevents(c, 1, 1, &e, &t);

	if (n != 1)
		CALL(name, n);
	else
		abi_line(name, "res %lld res2 %lld data %llx object %s", e.res, e.res2, e.data, e.obj == (unsigned long)cb ? "right" : "wrong");
}

static struct iocb prepare(int op, int fd, void *buf, size_t n, long long off)
{
	struct iocb cb;

	memset(&cb, 0, sizeof(cb));
	cb.aio_lio_opcode = (unsigned short)op;
	cb.aio_fildes = (unsigned)fd;
	cb.aio_buf = (unsigned long)buf;
	cb.aio_nbytes = n;
	cb.aio_offset = off;
	cb.aio_data = 0x1234;
	return cb;
}

static void test_contexts(void)
{
	aio_context_t c = 0, d = 0;
	struct io_event e;

	CALL("setup 0", setup(0, &c));
	CALL("setup fault", setup(1, (aio_context_t *)8));
	c = 1;
	CALL("setup not 0", setup(1, &c));
	c = 0;
	CALL("setup too many", setup(0x7fffffff, &c));
	CALL("setup", setup(10, &c));
	CALL("setup another", setup(10, &d));
	YES("two", c != d);
	unsigned *ring = (unsigned *)c;
	abi_line("ring", "head %u tail %u magic %x compat %u incompat %u length %u", ring[2], ring[3], ring[4], ring[5], ring[6], ring[7]);
	CALL("no events", getevents(c, 0, 1, &e, NULL));
	CALL("min above n", getevents(c, 2, 1, &e, NULL));
	CALL("negative min", getevents(c, -1, 1, &e, NULL));
	struct timespec t = { 0, 10000000 };
	CALL("none in time", getevents(c, 1, 1, &e, &t));
	CALL("time fault", getevents(c, 1, 1, &e, (void *)8));
	CALL("bad context", getevents(c + 4096 * 100, 0, 1, &e, NULL));
	CALL("submit none", syscall(SYS_io_submit, c, 0L, NULL));
	CALL("submit negative", syscall(SYS_io_submit, c, -1L, NULL));
	CALL("submit fault", syscall(SYS_io_submit, c, 1L, 8));
	CALL("submit bad context", syscall(SYS_io_submit, c + 4096 * 100, 1L, 8));
	CALL("destroy", syscall(SYS_io_destroy, c));
	CALL("destroy again", syscall(SYS_io_destroy, c));
	CALL("destroy other", syscall(SYS_io_destroy, d));
}

static void test_files(void)
{
	aio_context_t c = 0;
	char buf[32] = "", text[] = "hello, world";
	int fd = open("file", O_RDWR | O_CREAT, 0600), ro = open("file", O_RDONLY), p[2];
	struct iovec v[2] = { { text, 5 }, { text + 5, 7 } };
	struct iocb cb;

	setup(4, &c);
	cb = prepare(IOCB_CMD_PWRITE, fd, text, 12, 3);
	CALL("write", submit(c, &cb));
	event("written", c, &cb);
	NUM("key", cb.aio_key);
	cb = prepare(IOCB_CMD_PREAD, fd, buf, sizeof(buf), 3);
	CALL("read", submit(c, &cb));
	event("was read", c, &cb);
	STR("text", buf);
	cb = prepare(IOCB_CMD_PREAD, fd, buf, sizeof(buf), 300);
	CALL("read past the end", submit(c, &cb));
	event("nothing", c, &cb);
	cb = prepare(IOCB_CMD_PWRITEV, fd, v, 2, 20);
	CALL("writev", submit(c, &cb));
	event("written", c, &cb);
	memset(text, 0, sizeof(text));
	cb = prepare(IOCB_CMD_PREADV, fd, v, 2, 20);
	CALL("readv", submit(c, &cb));
	event("was read", c, &cb);
	STR("text", text);
	cb = prepare(IOCB_CMD_FSYNC, fd, NULL, 0, 0);
	CALL("fsync", submit(c, &cb));
	event("synced", c, &cb);
	cb = prepare(IOCB_CMD_FDSYNC, fd, NULL, 0, 0);
	CALL("fdsync", submit(c, &cb));
	event("synced", c, &cb);
	cb = prepare(IOCB_CMD_FSYNC, fd, NULL, 1, 0);
	CALL("fsync with a count", submit(c, &cb));
	cb = prepare(IOCB_CMD_PREAD, fd, (void *)8, 4, 3);
	CALL("read to nowhere", submit(c, &cb));
	event("fault", c, &cb);
	cb = prepare(IOCB_CMD_PREADV, fd, (void *)8, 4, 3);
	CALL("readv from nowhere", submit(c, &cb));
	cb = prepare(IOCB_CMD_PWRITE, ro, text, 4, 0);
	CALL("write to read-only", submit(c, &cb));
	cb = prepare(IOCB_CMD_PREAD, 99, text, 4, 0);
	CALL("bad descriptor", submit(c, &cb));
	cb = prepare(IOCB_CMD_NOOP, fd, text, 4, 0);
	CALL("noop", submit(c, &cb));
	cb = prepare(77, fd, text, 4, 0);
	CALL("bad operation", submit(c, &cb));
	cb = prepare(IOCB_CMD_PREAD, fd, text, 4, -1);
	CALL("negative place", submit(c, &cb));
	cb = prepare(IOCB_CMD_PREAD, fd, text, 4, 0);
	cb.aio_reserved2 = 1;
	CALL("reserved", submit(c, &cb));
	cb = prepare(IOCB_CMD_PREAD, fd, text, (size_t)-1, 0);
	CALL("negative count", submit(c, &cb));
	pipe(p);
	cb = prepare(IOCB_CMD_PWRITE, p[1], "pipe", 4, 0);
	CALL("to a pipe", submit(c, &cb));
	event("written", c, &cb);
	memset(buf, 0, sizeof(buf));
	cb = prepare(IOCB_CMD_PREAD, p[0], buf, 10, 0);
	CALL("from a pipe", submit(c, &cb));
	event("was read", c, &cb);
	STR("text", buf);
	struct iocb two[2] = { prepare(IOCB_CMD_PREAD, fd, buf, 4, 0), prepare(IOCB_CMD_PREAD, 99, buf, 4, 0) }, *list[2] = { two, two + 1 };
	CALL("one of two", syscall(SYS_io_submit, c, 2L, list));
	event("the one", c, two);
	cb = prepare(IOCB_CMD_PREAD, fd, buf, 1, 0);
	submit(c, &cb);
	submit(c, &cb);
	submit(c, &cb);
	struct io_event e[8];
	CALL("three", getevents(c, 1, 8, e, NULL));
	CALL("events fault", (submit(c, &cb), getevents(c, 1, 1, (void *)8, NULL)));
	CALL("event still there", getevents(c, 0, 1, e, NULL));
	syscall(SYS_io_destroy, c);
	close(fd);
	close(ro);
	close(p[0]);
	close(p[1]);
}

static void test_eventfd(void)
{
	aio_context_t c = 0;
	char buf[8];
	uint64_t n = 0;
	int fd = open("file", O_RDWR), efd = eventfd(0, EFD_NONBLOCK);
	struct iocb cb = prepare(IOCB_CMD_PREAD, fd, buf, 4, 0);
	struct io_event e[2];

	setup(4, &c);
	cb.aio_flags = IOCB_FLAG_RESFD;
	cb.aio_resfd = (unsigned)efd;
	CALL("with an eventfd", submit(c, &cb));
	submit(c, &cb);
	getevents(c, 2, 2, e, NULL);
	read(efd, &n, sizeof(n));
	NUM("count", n);
	cb.aio_resfd = (unsigned)fd;
	CALL("with a file", submit(c, &cb));
	cb.aio_resfd = 99;
	CALL("with nothing", submit(c, &cb));
	syscall(SYS_io_destroy, c);
	close(fd);
	close(efd);
}

static void on_alarm(int sig)
{
	(void)sig;
}

static void test_poll(void)
{
	aio_context_t c = 0;
	int p[2];
	char buf[8];
	struct iocb cb, other;
	struct io_event e;
	struct timespec t = { 0, 20000000 };
	struct itimerval soon = { { 0, 0 }, { 0, 50000 } };
	struct sigaction sa = { .sa_handler = on_alarm };

	setup(4, &c);
	pipe(p);
	cb = prepare(IOCB_CMD_POLL, p[0], (void *)POLLIN, 0, 0);
	CALL("poll", submit(c, &cb));
	CALL("not yet", getevents(c, 1, 1, &e, &t));
	write(p[1], "x", 1);
	event("readable", c, &cb);
	CALL("poll ready", submit(c, &cb));
	event("at once", c, &cb);
	read(p[0], buf, 1);
	CALL("once only", getevents(c, 0, 1, &e, &t));
	CALL("poll again", submit(c, &cb));
	other = cb;
	CALL("cancel another", syscall(SYS_io_cancel, c, &other, &e));
	CALL("cancel", syscall(SYS_io_cancel, c, &cb, &e));
	event("cancelled", c, &cb);
	CALL("cancel again", syscall(SYS_io_cancel, c, &cb, &e));
	CALL("cancel fault", syscall(SYS_io_cancel, c, 8, &e));
	cb.aio_key = 5;
	CALL("cancel key", syscall(SYS_io_cancel, c, &cb, &e));
	cb = prepare(IOCB_CMD_POLL, p[0], (void *)0x10001, 0, 0);
	CALL("poll too much", submit(c, &cb));
	cb = prepare(IOCB_CMD_POLL, p[0], (void *)POLLIN, 1, 0);
	CALL("poll with a count", submit(c, &cb));
	cb = prepare(IOCB_CMD_POLL, p[0], (void *)POLLIN, 0, 0);
	submit(c, &cb);
	close(p[1]);
	event("hung up", c, &cb);
	close(p[0]);
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &soon, NULL);
	CALL("interrupted", getevents(c, 1, 1, &e, NULL));
	pipe(p);
	cb = prepare(IOCB_CMD_POLL, p[0], (void *)POLLIN, 0, 0);
	submit(c, &cb);
	if (fork() == 0) {
		CALL("the child has no such context", getevents(c, 0, 1, &e, NULL));
		_exit(0);
	}
	wait(NULL);
	CALL("destroy with a poll under way", syscall(SYS_io_destroy, c));
	c = 0;
	setup(4, &c);
	submit(c, &cb); /* and leave */
}

int main(void)
{
	char dir[] = "aioXXXXXX";

	if (!mkdtemp(dir) || chdir(dir))
		FAILED("directory");
	test_contexts();
	test_files();
	test_eventfd();
	test_poll();
	return 0;
}

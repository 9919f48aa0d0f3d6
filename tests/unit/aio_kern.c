/* SPDX-License-Identifier: MIT */
/* Asynchronous I/O (io_submit(2)) by a program on the software page table: the library's own callers have no mappings for the ring. */
#include <maestro/aio.h>
#include <maestro/vfs.h>

#include <gen/sys_proto.h>

#include "space.h"

enum { OPCODE_NONE = 99, SMALL = 1, BYTES = 5000 };

struct program {
	struct space s;
	uaddr_t words, iocb, data, events; /* a page or more each */
	unsigned long ctx;
	int fd;
};

static const char *setup(struct program *p)
{
	unsigned long none = 0;
	long at;

	TRY(space_open(&p->s));
	at = do_mmap(NULL, 0, 16 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, 0);
	EXPECT(!IS_ERR_VALUE(at));
	p->words = (uaddr_t)at;
	p->iocb = p->words + PAGE_SIZE;
	p->data = p->iocb + PAGE_SIZE;
	p->events = p->data + 4 * PAGE_SIZE;
	EXPECT(!copy_to_user((void *)p->words, "/file", 6));
	p->fd = (int)sys_openat(AT_FDCWD, (void *)p->words, O_CREAT | O_RDWR, 0600);
	EXPECT(p->fd >= 0);
	EXPECT(!put_user(none, (unsigned long *)p->words) && !sys_io_setup(SMALL, (void *)p->words));
	EXPECT(!copy_in(&p->ctx, (unsigned long *)p->words) && p->ctx);
	return NULL;
}

static const char *finish(struct program *p)
{
	EXPECT(!sys_io_destroy(p->ctx) && sys_io_destroy(p->ctx) == -EINVAL && !sys_close(p->fd));
	return space_close(&p->s);
}

static long submit(const struct program *p, struct aio_iocb i)
{
	if (copy_out((struct aio_iocb *)p->iocb, &i) || put_user((unsigned long)p->iocb, (unsigned long *)p->words))
		return -ENOTRECOVERABLE;
	return sys_io_submit(p->ctx, 1, (void *)p->words);
}

static long take(const struct program *p, long min, long n, struct aio_event *first)
{
	static const struct { long sec, nsec; } at_once;
	long got;

	if (copy_to_user((void *)p->words, &at_once, sizeof(at_once)))
		return -ENOTRECOVERABLE;
	got = sys_io_getevents(p->ctx, min, n, (void *)p->events, min ? NULL : (void *)p->words);
	return got > 0 && copy_in(first, (struct aio_event *)p->events) ? -ENOTRECOVERABLE : got;
}

/* It is done at once, and its event says res. */
static bool done(const struct program *p, struct aio_iocb i, s64 res)
{
	struct aio_event e;

	i.data = (u64)res + 77;
	return submit(p, i) == 1 && take(p, 1, 1, &e) == 1 && e.data == i.data && e.obj == p->iocb && e.res == res && !e.res2;
}

static const char *contexts(void)
{
	struct program p;
	unsigned long id = 0;

	TRY(setup(&p));
	EXPECT(sys_io_setup(1, (void *)8UL) == -EFAULT);
	EXPECT(sys_io_setup(1, (void *)p.words) == -EINVAL); /* the id there is not 0 */
	EXPECT(!put_user(id, (unsigned long *)p.words));
	EXPECT(sys_io_setup(0, (void *)p.words) == -EINVAL && sys_io_setup(0x7fffffff, (void *)p.words) == -EINVAL);
	EXPECT(sys_io_setup(kernel()->vfs.aio_max, (void *)p.words) == -EAGAIN);
	EXPECT(sys_io_submit(p.ctx + 1, 0, NULL) == -EINVAL && sys_io_submit(p.ctx, -1, NULL) == -EINVAL && !sys_io_submit(p.ctx, 0, NULL));
	EXPECT(sys_io_submit(p.ctx, 1, (void *)8UL) == -EFAULT);
	EXPECT(sys_io_getevents(p.ctx, 2, 1, (void *)p.events, NULL) == -EINVAL && sys_io_getevents(1, 0, 1, (void *)p.events, NULL) == -EINVAL);
	/* the area cannot hold a second one: as many events as all contexts may have are charged */
	EXPECT(!sys_io_setup(kernel()->vfs.aio_max - SMALL, (void *)p.words) && !copy_in(&id, (unsigned long *)p.words));
	EXPECT(!sys_io_destroy(id));
	return finish(&p);
}

static const char *transfers(void)
{
	struct program p;
	struct aio_iocb write = { .opcode = IOCB_CMD_PWRITE, .nbytes = BYTES, .offset = 100 }, read = write, vec;
	struct { unsigned long base, len; } iov[2];
	char text[BYTES / 10];

	TRY(setup(&p));
	write.fd = read.fd = (u32)p.fd;
	write.buf = p.data;
	read.opcode = IOCB_CMD_PREAD;
	read.buf = p.data + 2 * PAGE_SIZE;
	for (unsigned i = 0; i < 10; i++) {
		memset(text, 'a' + (int)i, sizeof(text));
		EXPECT(!copy_to_user((char *)p.data + i * sizeof(text), text, sizeof(text)));
	}
	EXPECT(done(&p, write, BYTES) && done(&p, read, BYTES));
	EXPECT(!copy_from_user(text, (char *)p.data + 2 * PAGE_SIZE + 9 * sizeof(text), sizeof(text)) && text[0] == 'j' && text[sizeof(text) - 1] == 'j');
	read.offset = BYTES + 100;
	EXPECT(done(&p, read, 0));
	read.offset = BYTES + 90;
	EXPECT(done(&p, read, 10));
	EXPECT(done(&p, (struct aio_iocb){ .opcode = IOCB_CMD_FSYNC, .fd = (u32)p.fd }, 0) && done(&p, (struct aio_iocb){ .opcode = IOCB_CMD_FDSYNC, .fd = (u32)p.fd }, 0));

	iov[0].base = p.data + 10;
	iov[0].len = 3;
	iov[1].base = p.data + BYTES - 5;
	iov[1].len = 5;
	EXPECT(!copy_to_user((void *)(p.words + 512), iov, sizeof(iov)));
	vec = (struct aio_iocb){ .opcode = IOCB_CMD_PWRITEV, .fd = (u32)p.fd, .buf = p.words + 512, .nbytes = 2 };
	EXPECT(done(&p, vec, 8));
	vec.opcode = IOCB_CMD_PREADV;
	vec.offset = 3;
	EXPECT(done(&p, vec, 8) && !copy_from_user(text, (char *)p.data + 10, 3) && !memcmp(text, "jjj", 3));
	vec.buf = 8;
	EXPECT(submit(&p, vec) == -EFAULT);
	write.buf = 8; /* what a transfer meets is its event's */
	EXPECT(done(&p, write, -EFAULT));
	return finish(&p);
}

static const char *refused(void)
{
	struct program p;
	struct aio_iocb ok, i;
	int ro;

	TRY(setup(&p));
	ok = (struct aio_iocb){ .opcode = IOCB_CMD_PWRITE, .fd = (u32)p.fd, .buf = p.data, .nbytes = 1 };
#define REFUSED(member, value, why)                 \
	do {                                        \
		i = ok;                             \
		i.member = (value);                 \
		EXPECT(submit(&p, i) == -(why));    \
	} while (0)
	REFUSED(reserved, 1, EINVAL);
	REFUSED(nbytes, ~0ULL, EINVAL);
	REFUSED(offset, -1, EINVAL);
	REFUSED(opcode, OPCODE_NONE, EINVAL);
	REFUSED(opcode, IOCB_CMD_NOOP, EINVAL);
	REFUSED(opcode, IOCB_CMD_FSYNC, EINVAL); /* with a buffer */
	REFUSED(rw_flags, 1, EOPNOTSUPP);
	REFUSED(fd, 999, EBADF);
	EXPECT(!copy_to_user((void *)p.words, "/file", 6));
	ro = (int)sys_openat(AT_FDCWD, (void *)p.words, O_RDONLY, 0);
	REFUSED(fd, (u32)ro, EBADF);
	ok.flags = IOCB_FLAG_RESFD;
	REFUSED(resfd, 999, EBADF);
	REFUSED(resfd, (u32)p.fd, EINVAL); /* no eventfd */
	ok = (struct aio_iocb){ .opcode = IOCB_CMD_POLL, .fd = (u32)p.fd, .buf = EPOLLIN };
	REFUSED(buf, 0x10000, EINVAL);
	REFUSED(offset, 1, EINVAL);
#undef REFUSED
	EXPECT(!sys_close(ro));
	return finish(&p);
}

/* As many events as the ring has room for, some taken, and room for as many again. */
static const char *full_ring(void)
{
	struct program p;
	struct aio_iocb i;
	struct aio_event e;
	long n, room = (long)((PAGE_SIZE - 32) / sizeof(e)) - 1;

	TRY(setup(&p));
	i = (struct aio_iocb){ .opcode = IOCB_CMD_PWRITE, .fd = (u32)p.fd, .buf = p.data, .nbytes = 1 };
	for (unsigned round = 0; round < 3; round++) {
		for (n = 0; (i.data = (u64)n, submit(&p, i)) == 1; n++)
			;
		EXPECT(n == (round ? 50 : room) && submit(&p, i) == -EAGAIN);
		EXPECT(take(&p, 50, 50, &e) == 50);
	}
	EXPECT(take(&p, 0, 1000, &e) == room - 50 && e.data == (u64)(150 - room));
	EXPECT(take(&p, 0, 1, &e) == 0);
	return finish(&p);
}

static const char *polling(void)
{
	struct program p;
	struct aio_iocb i;
	struct aio_event e;
	int pipe[2], count, other[2];
	u64 n;

	TRY(setup(&p));
	EXPECT(!sys_pipe2((void *)p.words, 0) && !copy_from_user(pipe, (void *)p.words, sizeof(pipe)));
	EXPECT(!sys_pipe2((void *)p.words, 0) && !copy_from_user(other, (void *)p.words, sizeof(other)));
	count = (int)sys_eventfd2(0, 0);
	i = (struct aio_iocb){ .opcode = IOCB_CMD_POLL, .fd = (u32)pipe[0], .buf = EPOLLIN, .flags = IOCB_FLAG_RESFD, .resfd = (u32)count, .data = 5 };
	EXPECT(submit(&p, i) == 1 && take(&p, 0, 1, &e) == 0);
	EXPECT(sys_write(pipe[1], (void *)p.data, 3) == 3);
	EXPECT(take(&p, 1, 1, &e) == 1 && e.data == 5 && e.res == (EPOLLIN | EPOLLRDNORM)); /* what the wake-up named, too */
	EXPECT(sys_read(count, (void *)p.data, 8) == 8 && !copy_in(&n, (u64 *)p.data) && n == 1);
	EXPECT(submit(&p, i) == 1 && take(&p, 1, 1, &e) == 1 && e.res == EPOLLIN); /* ready already */

	i.fd = (u32)other[0];
	EXPECT(submit(&p, i) == 1 && sys_io_cancel(p.ctx, (void *)p.iocb, NULL) == -EINPROGRESS);
	EXPECT(take(&p, 1, 1, &e) == 1 && e.res == 0 && sys_io_cancel(p.ctx, (void *)p.iocb, NULL) == -EINVAL);
	EXPECT(sys_io_cancel(p.ctx, (void *)8UL, NULL) == -EFAULT && sys_io_cancel(1, (void *)p.iocb, NULL) == -EINVAL);
	EXPECT(submit(&p, i) == 1 && !sys_close(other[1])); /* the end of the writer is an event, too */
	EXPECT(sys_io_pgetevents(p.ctx, 1, 1, (void *)p.events, NULL, NULL) == 1);
	EXPECT(!copy_in(&e, (struct aio_event *)p.events) && e.res == EPOLLHUP);
	EXPECT(sys_read(pipe[0], (void *)p.data, 3) == 3 && (i.fd = (u32)pipe[0], submit(&p, i)) == 1);
	for (int k = 0; k < 2; k++)
		EXPECT(!sys_close(pipe[k]) || k);
	EXPECT(!sys_close(other[0]) && !sys_close(count));
	return finish(&p); /* with a poll that waits */
}

/* What a program leaves goes with its address space. */
static const char *left_behind(void)
{
	struct program p;
	struct aio_iocb i;
	int pipe[2];

	TRY(setup(&p));
	EXPECT(!sys_pipe2((void *)p.words, 0) && !copy_from_user(pipe, (void *)p.words, sizeof(pipe)));
	i = (struct aio_iocb){ .opcode = IOCB_CMD_POLL, .fd = (u32)pipe[0], .buf = EPOLLIN };
	EXPECT(submit(&p, i) == 1);
	EXPECT(atomic_read(&kernel()->vfs.aio_events) == SMALL);
	TRY(space_close(&p.s));
	EXPECT(atomic_read(&kernel()->vfs.aio_events) == 0);
	EXPECT(!sys_close(pipe[0]) && !sys_close(pipe[1]) && !sys_close(p.fd));
	return NULL;
}

KTEST_SUITE(aio, "asynchronous I/O", {"contexts", contexts}, {"transfers", transfers}, {"refused", refused}, {"a full ring", full_ring}, {"polling", polling},
	    {"left behind", left_behind});

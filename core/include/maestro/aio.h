/* SPDX-License-Identifier: MIT */
/* Asynchronous I/O: contexts, requests, events (io_submit(2)). do_x take kernel types; structures are those of linux/aio_abi.h, the same in all ABIs. */
#pragma once

#include <maestro/compiler.h>
#include <maestro/errno.h>
#include <maestro/types.h>

struct aio_context;
struct file;
struct mm;

enum { IOCB_CMD_PREAD, IOCB_CMD_PWRITE, IOCB_CMD_FSYNC, IOCB_CMD_FDSYNC, IOCB_CMD_POLL = 5, IOCB_CMD_NOOP, IOCB_CMD_PREADV, IOCB_CMD_PWRITEV };
#define IOCB_FLAG_RESFD 1u
#define IOCB_FLAG_IOPRIO 2u

struct aio_event {
	u64 data, obj;
	s64 res, res2;
};
_Static_assert(sizeof(struct aio_event) == 32, "io_getevents(2)");
struct aio_iocb {
	u64 data;
	u32 key, rw_flags;
	u16 opcode;
	s16 priority;
	u32 fd;
	u64 buf, nbytes;
	s64 offset;
	u64 reserved;
	u32 flags, resfd;
};
_Static_assert(sizeof(struct aio_iocb) == 64, "io_submit(2)");

struct aio_request { /* a checked iocb */
	u16 opcode;
	u32 rw_flags;
	u64 data, obj, buf, nbytes;
	s64 offset;
	struct file *file, *eventfd; /* the caller's references; eventfd may be NULL */
};

/* Of current's address space. KERR(EINVAL), KERR(EAGAIN), KERR(ENOMEM); KERR(ENOSYS): it has none of ours. */
kerr_t do_io_setup(u32 nr, uaddr_t *id) __must_check;
kerr_t do_io_destroy(uaddr_t id) __must_check;
long do_io_getevents(uaddr_t id, long min, long n, struct aio_event __user *out, ktime_t deadline); /* deadline absolute */
kerr_t do_io_cancel(uaddr_t id, u64 obj) __must_check; /* KERR(EINPROGRESS): its event comes; KERR(EINVAL): there is none to cancel */
struct aio_context *aio_context_get(uaddr_t id); /* NULL: none */
void aio_context_put(struct aio_context *c);
kerr_t aio_submit(struct aio_context *c, const struct aio_request *r) __must_check;
void aio_exit_mm(struct mm *mm); /* its last task is gone */

/* sys_eventfd.c: adds to an eventfd's count, never waits (it stays below its limit). False: f is none. */
bool eventfd_is(const struct file *f);
void eventfd_add(struct file *f, u64 n);

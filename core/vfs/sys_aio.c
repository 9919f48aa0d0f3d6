/* SPDX-License-Identifier: MIT */
/* io_setup(2), io_destroy(2), io_submit(2), io_cancel(2), io_getevents(2), io_pgetevents(2): arguments; the work is in aio.c. */
#if __has_include(<gen/sys_proto.h>)
#include <gen/sys_proto.h>
#endif
#include <maestro/aio.h>
#include <maestro/time_user.h>

#include "vfs_priv.h"

long sys_io_setup(unsigned nr, void __user *uctx)
{
	unsigned long __user *out = uctx;
	unsigned long id;
	uaddr_t made;
	kerr_t err;

	if (copy_in(&id, out))
		return -EFAULT;
	if (id || !nr)
		return -EINVAL;
	err = do_io_setup(nr, &made);
	if (err)
		return kerr_code(err);
	if (!put_user((unsigned long)made, out))
		return 0;
	err = do_io_destroy(made);
	(void)err;
	return -EFAULT;
}

long sys_io_destroy(unsigned long ctx)
{
	return kerr_code(do_io_destroy(ctx));
}

/* ---------------------------------------------------------------- submit */

static kerr_t check_iocb(const struct aio_iocb *i)
{
	if (i->reserved || i->buf != (unsigned long)i->buf || i->nbytes != (size_t)i->nbytes || (ssize_t)i->nbytes < 0)
		return KERR(EINVAL);
	return 0;
}

static kerr_t submit_files(struct aio_context *c, const struct aio_iocb *i, struct aio_request *r)
{
	kerr_t err;

	r->file = fd_get((int)i->fd);
	if (!r->file)
		return KERR(EBADF);
	if (i->flags & IOCB_FLAG_RESFD) {
		r->eventfd = fd_get((int)i->resfd);
		if (!r->eventfd || !eventfd_is(r->eventfd)) {
			err = r->eventfd ? KERR(EINVAL) : KERR(EBADF);
			if (r->eventfd)
				file_put(r->eventfd);
			file_put(r->file);
			return err;
		}
	}
	err = aio_submit(c, r);
	if (r->eventfd)
		file_put(r->eventfd);
	file_put(r->file);
	return err;
}

static kerr_t submit_one(struct aio_context *c, struct aio_iocb __user *u)
{
	struct aio_request r;
	struct aio_iocb i;
	kerr_t err;

	if (copy_in(&i, u))
		return KERR(EFAULT);
	err = check_iocb(&i);
	if (err)
		return err;
	if (put_user((u32)0, &u->key))
		return KERR(EFAULT);
	r = (struct aio_request) { .opcode = i.opcode, .rw_flags = i.rw_flags, .data = i.data, .obj = (u64)(uaddr_t)u, .buf = i.buf, .nbytes = i.nbytes,
				   .offset = i.offset };
	return submit_files(c, &i, &r);
}

long sys_io_submit(unsigned long ctx, long nr, const void __user *iocbs)
{
	struct aio_iocb __user *const __user *list = iocbs;
	struct aio_context *c;
	kerr_t err = 0;
	long done;

	if (nr < 0)
		return -EINVAL;
	c = aio_context_get(ctx);
	if (!c)
		return -EINVAL;
	for (done = 0; done < nr; done++) {
		struct aio_iocb __user *one;

		err = copy_in(&one, list + done);
		if (!err)
			err = submit_one(c, one);
		if (err)
			break;
	}
	aio_context_put(c);
	return done ? done : kerr_code(err);
}

long sys_io_cancel(unsigned long ctx, const void __user *iocb, void __user *result)
{
	const u32 __user *where = (const u32 __user *)((uaddr_t)iocb + offsetof(struct aio_iocb, key));
	u32 key;

	(void)result; /* the event says it, as on Linux */
	if (copy_in(&key, where))
		return -EFAULT;
	return key ? -EINVAL : kerr_code(do_io_cancel(ctx, (u64)(uaddr_t)iocb));
}

/* ---------------------------------------------------------------- events */

static long getevents(unsigned long ctx, long min, long n, void __user *events, const void __user *timeout, bool time64)
{
	ktime_t deadline = S64_MAX;
	struct timespec64 t;

	if (timeout) {
		if (get_timespec(&t, timeout, time64))
			return -EFAULT;
		deadline = deadline_after(t);
	}
	return do_io_getevents(ctx, min, n, events, deadline);
}

long sys_io_getevents(unsigned long ctx, long min, long n, void __user *events, const void __user *timeout)
{
	return getevents(ctx, min, n, events, timeout, false);
}

struct aio_sigset { /* struct __aio_sigset of io_pgetevents(2) */
	const void __user *mask;
	size_t size;
};

static long pgetevents(unsigned long ctx, long min, long n, void __user *events, const void __user *timeout, const void __user *usig, bool time64)
{
	struct aio_sigset s = { NULL, 0 };
	bool on;
	kerr_t err;

	if (usig && copy_in(&s, (const struct aio_sigset __user *)usig))
		return -EFAULT;
	err = sigmask_swap(s.mask, s.size, &on);
	if (err)
		return kerr_code(err);
	return sigmask_restore(on, getevents(ctx, min, n, events, timeout, time64));
}

long sys_io_pgetevents(unsigned long ctx, long min, long n, void __user *events, const void __user *timeout, const void __user *sig)
{
	return pgetevents(ctx, min, n, events, timeout, sig, false);
}

long sys_io_pgetevents_time64(unsigned long ctx, long min, long n, void __user *events, const void __user *timeout, const void __user *sig)
{
	return pgetevents(ctx, min, n, events, timeout, sig, true);
}

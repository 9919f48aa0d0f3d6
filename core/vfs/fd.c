/* SPDX-License-Identifier: MIT */
/*
 * Tables of file descriptors: an array of files with two bitmaps (open, close-on-exec); the first 32 lie in struct files itself.
 * A set open bit without a file is a reservation. Locking: files.lock. The owner of a table that nobody shares reads it without the lock
 * and without a reference (fd_get_light): only it could close the descriptor.
 */
#include "vfs_priv.h"

#define FD_INLINE 32u
#define FD_LIMIT (1u << 20)

static unsigned fd_rlimit(void)
{
	u64 n = rlimit_get(RLIMIT_NOFILE);

	return n < FD_LIMIT ? (unsigned)n : FD_LIMIT;
}

static void files_reset(struct files *t)
{
	t->max = FD_INLINE;
	t->fd = t->inline_fd;
	t->open = t->inline_open;
	t->cloexec = t->inline_cloexec;
	t->next = 0;
}

kerr_t files_alloc(struct files **out)
{
	struct files *t = kzalloc(sizeof(*t), GFP_KERNEL);

	if (!t)
		return KERR(ENOMEM);
	atomic_set(&t->refs, 1);
	spin_init(&t->lock, RANK_FILES, "files.lock");
	files_reset(t);
	*out = t;
	return 0;
}

/* The arrays of a table of max descriptors, in one block: files, then the bitmaps. */
static void *arrays_alloc(unsigned max)
{
	return kzalloc(max * sizeof(struct file *) + 2 * BITMAP_LONGS(max) * sizeof(long), GFP_KERNEL);
}

static void arrays_use(struct files *t, void *block, unsigned max)
{
	t->fd = block;
	t->open = (unsigned long *)(void *)(t->fd + max);
	t->cloexec = t->open + BITMAP_LONGS(max);
	t->max = max;
}

/* Room for descriptor fd. The lock is dropped meanwhile. */
static kerr_t files_grow(struct files *t, unsigned fd) REQUIRES(t->lock)
{
	unsigned max = 64;
	struct file **old;
	void *block;

	while (max <= fd)
		max *= 2;
	spin_unlock(&t->lock);
	block = arrays_alloc(max);
	spin_lock(&t->lock);
	if (!block)
		return KERR(ENOMEM);
	if (max <= t->max) {
		spin_unlock(&t->lock);
		kfree(block);
		spin_lock(&t->lock);
		return 0;
	}
	old = t->fd;
	{
		struct files next;

		arrays_use(&next, block, max);
		memcpy(next.fd, t->fd, t->max * sizeof(*old));
		memcpy(next.open, t->open, BITMAP_LONGS(t->max) * sizeof(long));
		memcpy(next.cloexec, t->cloexec, BITMAP_LONGS(t->max) * sizeof(long));
	}
	arrays_use(t, block, max);
	if (old != t->inline_fd) {
		spin_unlock(&t->lock);
		kfree(old);
		spin_lock(&t->lock);
	}
	return 0;
}

static unsigned highest_open(const struct files *t)
{
	for (size_t i = BITMAP_LONGS(t->max); i-- > 0;)
		if (t->open[i])
			return (unsigned)(i * BITS_PER_LONG + bit_width(t->open[i]));
	return 0;
}

kerr_t files_dup(struct files *src, struct files **out)
{
	struct files *t;
	unsigned used, longs;
	kerr_t err = files_alloc(&t);

	if (err)
		return err;
	spin_lock(&src->lock);
	while ((used = highest_open(src)) > t->max) {
		unsigned max = 64;
		void *block;

		while (max < used)
			max *= 2;
		spin_unlock(&src->lock);
		if (t->fd != t->inline_fd)
			kfree(t->fd);
		block = arrays_alloc(max);
		if (!block) {
			kfree(t);
			return KERR(ENOMEM);
		}
		arrays_use(t, block, max);
		spin_lock(&src->lock);
	}
	longs = (unsigned)BITMAP_LONGS(used);
	for (unsigned i = 0; i < longs; i++) {
		t->open[i] = src->open[i];
		t->cloexec[i] = src->cloexec[i];
	}
	for (unsigned i = 0; i < used; i++) {
		struct file *f = src->fd[i];

		if (f)
			t->fd[i] = file_get(f);
		else
			bitmap_clear(t->open, i);
	}
	t->next = src->next;
	spin_unlock(&src->lock);
	/* Reservations of other threads were not copied: what they hold is free here. */
	t->next = (unsigned)bitmap_find_zero(t->open, t->max, 0);
	*out = t;
	return 0;
}

kerr_t file_close(struct file *f, struct files *owner)
{
	kerr_t err = 0;

	if (f->ops && f->ops->flush)
		err = f->ops->flush(f);
	if (unlikely(f->inode->locks) && !(f->mode & FMODE_PATH))
		locks_remove_posix(f, owner);
	dnotify_closed(f, owner);
	file_put(f);
	return err;
}

void files_put(struct files *t)
{
	if (!atomic_dec_and_test(&t->refs))
		return;
	for (size_t i = 0; i < BITMAP_LONGS(t->max); i++) {
		unsigned long set = t->open[i];

		while (set) {
			size_t fd = i * BITS_PER_LONG + (unsigned)__builtin_ctzl(set);
			kerr_t lost = t->fd[fd] ? file_close(t->fd[fd], t) : KERR(0);

			(void)lost; /* nobody is left to hear of it */
			set &= set - 1;
		}
		cond_resched();
	}
	if (t->fd != t->inline_fd)
		kfree(t->fd);
	kfree(t);
}

static struct file *take_locked(struct files *t, unsigned fd)
{
	struct file *f;

	assert_held(&t->lock);
	if (fd >= t->max)
		return NULL;
	f = t->fd[fd];
	if (!f)
		return NULL;
	t->fd[fd] = NULL;
	bitmap_clear(t->open, fd);
	bitmap_clear(t->cloexec, fd);
	if (fd < t->next)
		t->next = fd;
	return f;
}

struct file *files_take(struct files *t, int fd)
{
	struct file *f;

	spin_lock(&t->lock);
	f = take_locked(t, (unsigned)fd);
	spin_unlock(&t->lock);
	return f;
}

void files_close_exec(struct files *t)
{
	for (size_t i = 0; i < BITMAP_LONGS(t->max); i++) {
		unsigned long set = t->cloexec[i] & t->open[i];

		for (; set; set &= set - 1) {
			struct file *f = files_take(t, (int)(i * BITS_PER_LONG + (unsigned)__builtin_ctzl(set)));
			kerr_t lost = f ? file_close(f, t) : KERR(0);

			(void)lost;
		}
	}
}

struct file *fd_get_any(int fd)
{
	struct files *t = current->files;
	struct file *f = NULL;

	if (!t)
		return NULL;
	spin_lock(&t->lock);
	if ((unsigned)fd < t->max && t->fd[fd])
		f = file_get(t->fd[fd]);
	spin_unlock(&t->lock);
	return f;
}

struct file *fd_get(int fd)
{
	struct file *f = fd_get_any(fd);

	if (f && (f->mode & FMODE_PATH)) {
		file_put(f);
		return NULL;
	}
	return f;
}

struct fd fd_get_light(int fd)
{
	struct files *t = current->files;
	struct file *f;

	if (likely(t && atomic_read(&t->refs) == 1)) {
		if (unlikely((unsigned)fd >= t->max))
			return (struct fd) { NULL, false };
		f = t->fd[fd];
		if (f && unlikely(f->mode & FMODE_PATH))
			f = NULL;
		return (struct fd) { f, false };
	}
	f = fd_get(fd);
	return (struct fd) { f, f != NULL };
}

/* The lowest free descriptor at or above min, marked open. The lock may be dropped meanwhile. */
static long fd_find_locked(struct files *t, unsigned min, unsigned flags) REQUIRES(t->lock)
{
	unsigned limit = fd_rlimit();

	for (;;) {
		unsigned from = min > t->next ? min : t->next;
		unsigned fd = from < t->max ? (unsigned)bitmap_find_zero(t->open, t->max, from) : from;

		if (fd >= limit)
			return -EMFILE;
		if (fd >= t->max) {
			kerr_t err = files_grow(t, fd);

			if (err)
				return kerr_code(err);
			continue;
		}
		bitmap_set(t->open, fd);
		if (flags & O_CLOEXEC)
			bitmap_set(t->cloexec, fd);
		else
			bitmap_clear(t->cloexec, fd);
		if (min <= t->next)
			t->next = fd + 1;
		return (long)fd;
	}
}

long fd_install_from(struct file *f, unsigned min, unsigned flags)
{
	struct files *t = current->files;
	long fd;

	spin_lock(&t->lock);
	fd = fd_find_locked(t, min, flags);
	if (fd >= 0)
		t->fd[fd] = f;
	spin_unlock(&t->lock);
	return fd;
}

long fd_install(struct file *f, unsigned flags)
{
	return fd_install_from(f, 0, flags);
}

kerr_t fd_reserve(unsigned flags, int *out)
{
	struct files *t = current->files;
	long fd;

	spin_lock(&t->lock);
	fd = fd_find_locked(t, 0, flags);
	spin_unlock(&t->lock);
	if (fd < 0)
		return kerr_of(fd);
	*out = (int)fd;
	return 0;
}

void fd_fill(int fd, struct file *f)
{
	struct files *t = current->files;

	spin_lock(&t->lock);
	ASSERT(!t->fd[fd]);
	t->fd[fd] = f;
	spin_unlock(&t->lock);
}

void fd_unreserve(int fd)
{
	struct files *t = current->files;

	spin_lock(&t->lock);
	bitmap_clear(t->open, (unsigned)fd);
	if ((unsigned)fd < t->next)
		t->next = (unsigned)fd;
	spin_unlock(&t->lock);
}

kerr_t do_close(int fd)
{
	struct file *f = files_take(current->files, fd);

	return f ? file_close(f, current->files) : KERR(EBADF);
}

bool files_test_cloexec(int fd)
{
	struct files *t = current->files;
	bool on;

	spin_lock(&t->lock);
	on = (unsigned)fd < t->max && bitmap_test(t->cloexec, (unsigned)fd);
	spin_unlock(&t->lock);
	return on;
}

bool files_set_cloexec(int fd, bool on)
{
	struct files *t = current->files;
	bool ok;

	spin_lock(&t->lock);
	ok = (unsigned)fd < t->max && t->fd[fd];
	if (ok && on)
		bitmap_set(t->cloexec, (unsigned)fd);
	else if (ok)
		bitmap_clear(t->cloexec, (unsigned)fd);
	spin_unlock(&t->lock);
	return ok;
}

long fd_dup_to(int oldfd, int newfd, unsigned flags)
{
	struct files *t = current->files;
	struct file *f, *old;
	kerr_t lost;

	if ((unsigned)newfd >= fd_rlimit())
		return -EBADF;
	f = fd_get_any(oldfd);
	if (!f)
		return -EBADF;
	spin_lock(&t->lock);
	while ((unsigned)newfd >= t->max) {
		kerr_t err = files_grow(t, (unsigned)newfd);

		if (err) {
			spin_unlock(&t->lock);
			file_put(f);
			return kerr_code(err);
		}
	}
	old = t->fd[newfd];
	if (!old && bitmap_test(t->open, (unsigned)newfd)) {
		spin_unlock(&t->lock);
		file_put(f);
		return -EBUSY;
	}
	t->fd[newfd] = f;
	bitmap_set(t->open, (unsigned)newfd);
	if (flags & O_CLOEXEC)
		bitmap_set(t->cloexec, (unsigned)newfd);
	else
		bitmap_clear(t->cloexec, (unsigned)newfd);
	spin_unlock(&t->lock);
	lost = old ? file_close(old, t) : KERR(0);
	(void)lost;
	return newfd;
}

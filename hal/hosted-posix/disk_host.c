/* SPDX-License-Identifier: MIT */
/* Disk images: files (or block devices) of the host behind host_disk_ops. An image is locked with flock(2), so that nothing mounts it twice. */
#include "disk.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

_Static_assert(sizeof(struct host_iov) == sizeof(struct iovec) && offsetof(struct host_iov, len) == offsetof(struct iovec, iov_len),
	       "host_iov is iovec");

struct image {
	int fd;
	_Bool read_only, no_flush;
	host_u64 offset, size; /* size: of the whole file */
	char *map;	       /* all of it, from the first window on; MAP_FAILED: that was refused */
};
#define POPULATE_LEAST 65536 /* less is left to the faults */

static int image_transfer(void *arg, _Bool write, const struct host_iov *list, unsigned n, host_u64 offset, host_u64 bytes)
{
	const struct image *im = arg;
	struct iovec iov[64], *v = iov;
	off_t at = (off_t)(im->offset + offset);

	if (n > 64)
		return -EINVAL;
	for (unsigned i = 0; i < n; i++)
		iov[i] = (struct iovec){.iov_base = list[i].base, .iov_len = list[i].len};
	while (bytes) {
		ssize_t done = write ? pwritev(im->fd, v, (int)n, at) : preadv(im->fd, v, (int)n, at);

		if (done < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		if (!done)
			return -EIO; /* the file became shorter */
		bytes -= (host_u64)done;
		at += done;
		while (n && (size_t)done >= v->iov_len) {
			done -= (ssize_t)v->iov_len;
			v++;
			n--;
		}
		if (n) {
			v->iov_base = (char *)v->iov_base + done;
			v->iov_len -= (size_t)done;
		}
	}
	return 0;
}

static int image_flush(void *arg)
{
	const struct image *im = arg;

	if (im->read_only || im->no_flush)
		return 0;
	return fdatasync(im->fd) ? -errno : 0;
}

static int image_discard(void *arg, host_u64 offset, host_u64 bytes)
{
	const struct image *im = arg;

	return fallocate(im->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)(im->offset + offset), (off_t)bytes) ? -errno : 0;
}

static char *image_map(struct image *im)
{
	char *map = __atomic_load_n(&im->map, __ATOMIC_ACQUIRE), *mine;

	if (map)
		return map;
	mine = mmap(NULL, im->size, PROT_READ, MAP_SHARED, im->fd, 0);
	if (__atomic_compare_exchange_n(&im->map, &map, mine, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		return mine;
	if (mine != MAP_FAILED)
		munmap(mine, im->size);
	return map;
}

static const void *image_window(void *arg, host_u64 offset, host_u64 bytes)
{
	struct image *im = arg;
	host_u64 at = im->offset + offset;
	char *map = at + bytes > im->size ? MAP_FAILED : image_map(im);

	if (map == MAP_FAILED)
		return NULL;
#ifdef MADV_POPULATE_READ
	if (bytes >= POPULATE_LEAST)
		(void)madvise(map + (at & ~4095ULL), (at & 4095) + bytes, MADV_POPULATE_READ); /* all at once; what fails here is found by its user */
#endif
	return map + at;
}

void host_file_close(void *arg)
{
	struct image *im = arg;

	if (im->map && im->map != MAP_FAILED)
		munmap(im->map, im->size);
	close(im->fd); /* data was flushed when the file system was unmounted; the lock goes with it */
	free(im);
}

const struct host_disk_ops host_file_ops = {
	.transfer = image_transfer,
	.flush = image_flush,
	.discard = image_discard,
	.release = host_file_close,
	.window = image_window,
};

static int image_size(int fd, host_u64 *size)
{
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	if (S_ISBLK(st.st_mode))
		return ioctl(fd, BLKGETSIZE64, size) ? -errno : 0;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	*size = (host_u64)st.st_size;
	return 0;
}

static int image_open(const char *path, unsigned flags, _Bool *read_only)
{
	int fd = -1;

	*read_only = flags & HOST_FILE_READ_ONLY;
	if (!*read_only) {
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0 && (flags & HOST_FILE_FALL_BACK) && (errno == EACCES || errno == EROFS || errno == EPERM))
			*read_only = 1;
	}
	if (*read_only)
		fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (!(flags & HOST_FILE_NO_LOCK) && flock(fd, (*read_only ? LOCK_SH : LOCK_EX) | LOCK_NB)) {
		int err = errno == EWOULDBLOCK ? -EBUSY : -errno;

		close(fd);
		return err;
	}
	return fd;
}

int host_file_open(const char *path, unsigned flags, host_u64 offset, host_u64 size, void **arg, struct host_disk_info *info)
{
	struct image *im;
	host_u64 whole;
	_Bool read_only;
	int err, fd = image_open(path, flags, &read_only);

	if (fd < 0)
		return fd;
	err = image_size(fd, &whole);
	if (!err && (offset % 512 || offset >= whole || size > whole - offset || whole - offset < 512))
		err = -EINVAL;
	im = err ? NULL : malloc(sizeof(*im));
	if (!im) {
		close(fd);
		return err ? err : -ENOMEM;
	}
	*im = (struct image){.fd = fd, .read_only = read_only, .no_flush = flags & HOST_FILE_NO_FLUSH, .offset = offset, .size = whole};
	*info = (struct host_disk_info){.sectors = (size ? size : whole - offset) / 512, .read_only = read_only, .model = "file"};
	*arg = im;
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * Files that live in memory only: tmpfs, memfd, shared anonymous memory, System V segments.
 *
 * Their mapping uses shmem_mapping_ops and MAPPING_SHMEM (shmem_mapping_init). A page that was written is PG_DIRTY for as long as it is in the
 * cache: that pins it; a clean page is a hole that was read, all zero, and may be dropped. inode.blocks counts the dirty pages. They work with
 * generic_read_iter, generic_write_iter, generic_mmap and generic_vm_ops; truncate with mapping_truncate().
 */
#pragma once

#include <maestro/pagecache.h>

struct file;
struct inode;
struct vma;

/* What a file system instance (tmpfs size=) may hold. */
struct shmem_limit {
	struct atomic_long used; /* pages */
	long max;		 /* pages; 0: no limit */
};
extern const struct mapping_ops shmem_mapping_ops;
/* Turns inode->data into such a mapping; limit may be NULL. */
void shmem_mapping_init(struct inode *inode, struct shmem_limit *limit);
/* An unnamed file of `size` bytes, shown as "/NAME (deleted)"; open for reading and writing. Needs the tmpfs type. KERR(ENOMEM), KERR(ENODEV). */
kerr_t shmem_file(loff_t size, const char *name, struct file **out) __must_check;
/* Makes sure that shmem_file() will not have to mount: before mm.lock is taken. */
kerr_t shmem_prepare(void) __must_check;
/* A shared map of /dev/zero: gives v a shmem file of its own in place of v->file. mm.lock held for writing. */
kerr_t shmem_zero_setup(struct vma *v) __must_check;

#define F_SEAL_SEAL 1u
#define F_SEAL_SHRINK 2u
#define F_SEAL_GROW 4u
#define F_SEAL_WRITE 8u
#define F_SEAL_FUTURE_WRITE 16u
/* fcntl F_ADD_SEALS, F_GET_SEALS: 0 or the seals, or -EINVAL, -EPERM, -EBUSY. */
long shmem_add_seals(struct file *f, unsigned seals);
long shmem_get_seals(struct file *f);
/* Ready-made file operations: all holes are known, being the pages that are not there. */
loff_t shmem_llseek(struct file *f, loff_t off, int whence);
long shmem_fallocate(struct file *f, int mode, loff_t off, loff_t len); /* reserves pages, or punches holes */
/* Seals of a file about to change its size. inode's rwsem held for writing. KERR(EPERM). */
kerr_t shmem_check_resize(const struct inode *inode, loff_t new_size) __must_check;

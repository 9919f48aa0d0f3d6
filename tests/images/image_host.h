/* SPDX-License-Identifier: MIT */
/* An image in memory as the disk of a library kernel. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct maestro;
struct image_run {
	struct maestro *k;
	uint8_t *mem;
	size_t size;
	void (*verbose)(void *arg, const char *text, size_t len); /* the kernel's log, or NULL */
};
/* A new kernel with mem (size bytes, a multiple of 512) as /dev/vda, and a directory /mnt. 0 or -errno. */
int image_begin(struct image_run *r, void *mem, size_t size);
int image_mount(struct image_run *r, const char *type, unsigned long flags, const char *options); /* 0 or -errno */
void image_end(struct image_run *r);
/* Mounts it as ext4 read-only and reads all; then mounts it for writing, changes much and reads again. true: it could be mounted. Does not return if the kernel panics. */
int image_abuse(void *mem, size_t size, void (*verbose)(void *arg, const char *text, size_t len));

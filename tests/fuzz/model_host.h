/* SPDX-License-Identifier: MIT */
/*
 * A small sound image, and what is where in it: so that a few bytes of a fuzzer's input can damage any structure of it, and leave its checksums right.
 *
 * Input, little-endian: byte 0 the image, byte 1 flags (1: leave checksums wrong, 2: leave the superblock's alone), byte 2 the number of patches; then the
 * patches of 10 bytes each: kind, operation, index (2), offset (2), value (4). All are taken modulo what there is.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define MODEL_MOST 512

struct model_block {
	uint32_t block, ino; /* ino: whose it is */
};
struct model_list {
	struct model_block b[MODEL_MOST];
	unsigned n;
};
struct model {
	uint8_t *image; /* as mkfs made it */
	size_t size;
	uint32_t block_size, inode_size, desc_size, groups, inodes_per_group, inodes, blocks, gdt_block, seed, features_ro, features_in;
	struct model_list dirs, nodes, pointers, xattrs, journal, in_use; /* in_use: inode numbers in .ino */
};
/* Takes the image over. 0, or -1: it is not one of ext2's. */
int model_open(struct model *m, uint8_t *image, size_t size);
/* Applies the patches of an input to img, a copy of m->image. Returns how many bytes of the input were used. */
size_t model_patch(const struct model *m, uint8_t *img, const uint8_t *data, size_t size);

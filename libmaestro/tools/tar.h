/* SPDX-License-Identifier: MIT */
/* The layout of tar archives: POSIX ustar and pax (POSIX.1-2017, pax utility), and GNU's (tar manual, "Basic Tar Format"). */
#pragma once

#include <stdint.h>

#define TAR_BLOCK 512u
#define TAR_RECORD (20 * TAR_BLOCK)

struct tar_header {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, link[100], magic[6], version[2];
	char uname[32], gname[32], major[8], minor[8];
	char prefix[155]; /* GNU: atime[12] ctime[12] offset[12] longnames[4] pad, then the sparse map */
	char pad[12];
};
_Static_assert(sizeof(struct tar_header) == TAR_BLOCK, "tar header");

struct tar_sparse { /* GNU's sparse map: one run of data */
	char offset[12], bytes[12];
};
#define TAR_SPARSE_HEADER_AT 386u /* in the header: four runs, then a flag and the real size */
#define TAR_SPARSE_IN_HEADER 4u
#define TAR_SPARSE_EXTENDED_AT 482u
#define TAR_SPARSE_REALSIZE_AT 483u
#define TAR_SPARSE_IN_BLOCK 21u /* in each extension block, then its flag */
#define TAR_SPARSE_BLOCK_FLAG_AT 504u

struct tar_run { /* a run of data in a sparse file */
	uint64_t offset, bytes;
};

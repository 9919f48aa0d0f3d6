/* SPDX-License-Identifier: MIT */
/* What the host-side unit tests share: an instance per test, images made with mke2fs. */
#pragma once

#include <check.h>
#include <maestro.h>

/* A fresh instance; the virtual clock unless said. Fails the test if it cannot be had. */
struct maestro *unit_new(void);
struct maestro *unit_new_with(const struct maestro_options *o);
void unit_end(struct maestro *k); /* destroys it; the test fails if writing out does */
/* An ext2 image under $UNIT_DIR, named for this process; options for mke2fs, e.g. "-b 1024". */
const char *unit_image(const char *mke2fs_options, unsigned mib);
void unit_fsck(const char *image); /* fails the test unless e2fsck -fn is content; removes the image */
/* The image as a disk, mounted on /mnt. */
void unit_mount(struct maestro *k, const char *image);
void unit_umount(struct maestro *k);
void unit_put(struct maestro *k, const char *path, const void *data, size_t n);
uint32_t unit_random(uint32_t *state);

#define OK(x)                                                                   \
	do {                                                                        \
		long ok_ = (long)(x);                                                   \
		ck_assert_msg(ok_ >= 0, "%s: %s", #x, strerror((int)-ok_));             \
	} while (0)
#define FAILS(x, e)                                                                                              \
	do {                                                                                                         \
		long fails_ = (long)(x);                                                                                 \
		ck_assert_msg(fails_ == -(e), "%s: %s, wanted %s", #x, fails_ < 0 ? strerror((int)-fails_) : "success", strerror(e)); \
	} while (0)

Suite *suite_kernel(void);
Suite *suite_files(void);
Suite *suite_events(void);
Suite *suite_ext2(void);
Suite *suite_failures(void);
TCase *ext2_admin_case(void); /* part of the suite ext2 */
Suite *suite_instances(void);
Suite *suite_disks(void);
Suite *suite_parallel(void);
Suite *suite_sockets(void);
Suite *suite_snapshots(void);
Suite *suite_product(void);
Suite *suite_ipc(void);
Suite *suite_proc(void);
Suite *suite_devices(void);
Suite *suite_streams(void);
Suite *suite_mounts(void);
Suite *suite_locks(void);
Suite *suite_through(void);
Suite *suite_mountfds(void);

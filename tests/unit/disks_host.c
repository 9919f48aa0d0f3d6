/* SPDX-License-Identifier: MIT */
/* Partition tables, honest and hostile; disks coming, going, locked. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECTORS 4096u
static unsigned char disk[SECTORS * 512];

static int mem_read(void *arg, void *buf, uint64_t offset, size_t len)
{
	(void)arg;
	ck_assert(offset + len <= sizeof(disk));
	memcpy(buf, disk + offset, len);
	return 0;
}
static int mem_write(void *arg, const void *buf, uint64_t offset, size_t len)
{
	(void)arg;
	ck_assert(offset + len <= sizeof(disk));
	memcpy(disk + offset, buf, len);
	return 0;
}
static const struct maestro_disk_ops mem_ops = {.read = mem_read, .write = mem_write};

static void put32(unsigned char *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (unsigned char)(v >> (8 * i));
}

static void put64(unsigned char *p, uint64_t v)
{
	put32(p, (uint32_t)v);
	put32(p + 4, (uint32_t)(v >> 32));
}

static void mbr_entry(unsigned sector, unsigned i, unsigned type, uint32_t start, uint32_t count)
{
	unsigned char *e = disk + sector * 512 + 446 + 16 * i;

	e[4] = (unsigned char)type;
	put32(e + 8, start);
	put32(e + 12, count);
	disk[sector * 512 + 510] = 0x55;
	disk[sector * 512 + 511] = 0xaa;
}

static uint32_t crc32(const unsigned char *p, size_t n)
{
	uint32_t c = ~0u;

	while (n--) {
		c ^= *p++;
		for (int i = 0; i < 8; i++)
			c = c >> 1 ^ (c & 1 ? 0xedb88320u : 0);
	}
	return ~c;
}

static void gpt_seal(unsigned char *h)
{
	put32(h + 16, 0);
	put32(h + 16, crc32(h, 92));
}

/* A header at sector 1 and its copy at the end, for `entries` entries at sector 2. */
static void gpt(uint32_t entries, uint32_t entry_size, size_t table_bytes)
{
	unsigned char *h = disk + 512, *last = disk + (SECTORS - 1) * 512;

	mbr_entry(0, 0, 0xee, 1, SECTORS - 1);
	memcpy(h, "EFI PART\0\0\1\0\x5c\0\0\0", 16);
	put64(h + 24, 1);
	put64(h + 32, SECTORS - 1);
	put64(h + 40, 34);
	put64(h + 48, SECTORS - 34);
	put64(h + 72, 2);
	put32(h + 80, entries);
	put32(h + 84, entry_size);
	put32(h + 88, crc32(disk + 1024, table_bytes));
	memcpy(last, h, 512);
	put64(last + 24, SECTORS - 1);
	put64(last + 32, 1);
	put64(last + 72, SECTORS - 33);
	memcpy(disk + (SECTORS - 33) * 512, disk + 1024, 32 * 512);
	gpt_seal(h);
	gpt_seal(last);
}

static void gpt_entry(unsigned i, uint64_t first, uint64_t last)
{
	unsigned char *e = disk + 1024 + 128 * i;

	memset(e, 0x11 + (int)i, 32);
	put64(e + 32, first);
	put64(e + 40, last);
}

static struct maestro *attach(void)
{
	struct maestro *k = unit_new();
	char name[MAESTRO_DISK_NAME];

	OK(maestro_disk_add_ops(k, &mem_ops, NULL, SECTORS, 0, name));
	ck_assert_str_eq(name, "vda");
	OK(maestro_access(k, "/dev/vda", 0));
	return k;
}

static int64_t size_of(struct maestro *k, const char *dev)
{
	int fd = maestro_open(k, dev, O_RDONLY);
	int64_t n;

	if (fd < 0)
		return fd;
	n = maestro_lseek(k, fd, 0, SEEK_END);
	OK(maestro_close(k, fd));
	return n / 512;
}

START_TEST(mbr)
{
	struct maestro *k;
	unsigned char buf[512];
	int fd;

	memset(disk, 0, sizeof(disk));
	mbr_entry(0, 0, 0x83, 64, 1000);
	mbr_entry(0, 1, 0x05, 2000, 2000); /* extended, two logical ones */
	mbr_entry(2000, 0, 0x83, 10, 100);
	mbr_entry(2000, 1, 0x05, 500, 200);
	mbr_entry(2500, 0, 0x82, 20, 50);
	disk[64 * 512] = 0x77;
	k = attach();
	ck_assert_int_eq(size_of(k, "/dev/vda"), SECTORS);
	ck_assert_int_eq(size_of(k, "/dev/vda1"), 1000);
	ck_assert_int_eq(size_of(k, "/dev/vda5"), 100);
	ck_assert_int_eq(size_of(k, "/dev/vda6"), 50);
	fd = maestro_open(k, "/dev/vda1", O_RDWR);
	OK(fd);
	ck_assert(maestro_read(k, fd, buf, 512) == 512 && buf[0] == 0x77);
	FAILS(maestro_pwrite(k, fd, buf, 512, 1000 * 512), ENOSPC);
	buf[0] = 0x78;
	ck_assert_int_eq(maestro_pwrite(k, fd, buf, 512, 999 * 512), 512);
	OK(maestro_fsync(k, fd));
	ck_assert_int_eq(disk[(64 + 999) * 512], 0x78);
	FAILS(maestro_disk_remove(k, "vda"), EBUSY);
	OK(maestro_close(k, fd));
	OK(maestro_disk_remove(k, "vda"));
	FAILS(maestro_access(k, "/dev/vda1", 0), ENOENT);
	FAILS(maestro_disk_remove(k, "vda"), ENODEV);
	unit_end(k);
}
END_TEST

START_TEST(gpt_tables)
{
	struct maestro *k;

	memset(disk, 0, sizeof(disk));
	gpt_entry(0, 64, 163);
	gpt_entry(3, 200, 299);
	gpt(128, 128, 128 * 128);
	k = attach();
	ck_assert_int_eq(size_of(k, "/dev/vda1"), 100);
	ck_assert_int_eq(size_of(k, "/dev/vda4"), 100);
	FAILS(maestro_access(k, "/dev/vda2", 0), ENOENT);
	unit_end(k);
	memset(disk + 512, 0xff, 512); /* the first header is lost: the copy counts */
	k = attach();
	ck_assert_int_eq(size_of(k, "/dev/vda1"), 100);
	unit_end(k);
}
END_TEST

START_TEST(hostile)
{
	uint32_t seed = 99 + (uint32_t)_i;
	struct maestro *k;

	memset(disk, 0, sizeof(disk));
	switch (_i) {
	case 0: /* a ring of extended partitions */
		mbr_entry(0, 0, 0x05, 100, 1000);
		mbr_entry(100, 1, 0x05, 0, 1000);
		break;
	case 1: /* beyond the end, of no length, over all */
		mbr_entry(0, 0, 0x83, SECTORS - 1, 100);
		mbr_entry(0, 1, 0x83, 0xffffffff, 0xffffffff);
		mbr_entry(0, 2, 0x83, 5, 0);
		mbr_entry(0, 3, 0x83, 1, 0xffffffff);
		break;
	case 2: /* more entries than memory */
		gpt_entry(0, 64, 163);
		gpt(0xffffffff, 128, 0);
		break;
	case 3:
		gpt_entry(0, 64, 163);
		gpt(128, 0, 0);
		break;
	case 4:
		gpt(1, 0x80000000, 0);
		break;
	case 5: /* backwards, and far away */
		gpt_entry(0, 163, 64);
		gpt_entry(1, 64, ~0ULL);
		gpt_entry(2, ~0ULL - 5, ~0ULL);
		gpt(128, 128, 128 * 128);
		break;
	case 6: /* a chain of a thousand */
		mbr_entry(0, 0, 0x05, 1, SECTORS - 1);
		for (unsigned i = 1; i < 1000; i++) {
			mbr_entry(i, 0, 0x83, 1, 1);
			mbr_entry(i, 1, 0x05, i, 5);
		}
		break;
	default: /* noise with the right marks */
		for (unsigned i = 0; i < 34 * 512; i++)
			disk[i] = (unsigned char)unit_random(&seed);
		disk[510] = 0x55;
		disk[511] = 0xaa;
		if (_i % 2) {
			disk[446 + 4] = 0xee;
			memcpy(disk + 512, "EFI PART\0\0\1\0\x5c\0\0\0", 16);
			gpt_seal(disk + 512);
		}
	}
	k = attach();
	unit_end(k);
}
END_TEST

START_TEST(image_files)
{
	const char *image = unit_image("-b 1024", 2);
	struct maestro *k = unit_new(), *other = unit_new();
	char name[MAESTRO_DISK_NAME];

	FAILS(maestro_disk_add_file(k, "/nonexistent/file", 0, name), ENOENT);
	FAILS(maestro_disk_add_file(k, "/", 0, name), EISDIR);
	FAILS(maestro_disk_add_file_part(k, image, 0, 100, 0, name), EINVAL);
	FAILS(maestro_disk_add_file_part(k, image, 0, 1ULL << 40, 0, name), EINVAL);
	OK(maestro_disk_add_file(k, image, 0, name));
	FAILS(maestro_disk_add_file(other, image, 0, name), EBUSY);
	FAILS(maestro_disk_add_file(other, image, MAESTRO_DISK_READ_ONLY, name), EBUSY);
	OK(maestro_disk_remove(k, "vda"));
	OK(maestro_disk_add_file(other, image, MAESTRO_DISK_READ_ONLY, name));
	OK(maestro_disk_add_file(k, image, MAESTRO_DISK_READ_ONLY, name));
	OK(maestro_mkdir(k, "/mnt", 0755));
	FAILS(maestro_mount(k, "/dev/vda", "/mnt", "ext2", 0, NULL), EACCES);
	OK(maestro_mount(k, "/dev/vda", "/mnt", "ext2", 1, NULL));
	FAILS(maestro_mkdir(k, "/mnt/d", 0755), EROFS);
	FAILS(maestro_mount(k, "/dev/vda", "/nowhere", "ext2", 1, NULL), ENOENT);
	FAILS(maestro_mount(k, "/dev/vdb", "/mnt", "ext2", 1, NULL), ENOENT);
	FAILS(maestro_mount(k, "/dev/vda", "/mnt", "nofs", 1, NULL), ENODEV);
	unit_end(k);
	unit_end(other);
	unlink(image);
}
END_TEST

Suite *suite_disks(void)
{
	Suite *s = suite_create("disks");
	TCase *t = tcase_create("partitions and files");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, mbr);
	tcase_add_test(t, gpt_tables);
	tcase_add_loop_test(t, hostile, 0, 27);
	tcase_add_test(t, image_files);
	suite_add_tcase(s, t);
	return s;
}

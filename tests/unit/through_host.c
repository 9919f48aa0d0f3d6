/* SPDX-License-Identifier: MIT */
/* Contents without copies: maestro_file_give(), and writes from maestro_buffer_alloc(), mixed with the ordinary ways, against a model. */
#include "unit.h"
#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#define MOST (3u << 20)
#define BUFFER (1u << 20)

static const char *const geometries[] = {"-b 1024", "-b 2048", "-b 4096"};

struct given {
	int fd; /* pieces may be such as only system calls can read */
	unsigned pieces;
};

static ssize_t give(void *arg, const struct iovec *pieces, unsigned count, size_t bytes)
{
	struct given *g = arg;
	ssize_t n = pwritev(g->fd, pieces, (int)count, 0);

	g->pieces += count;
	ck_assert_int_eq(n, bytes);
	return n;
}

/* Both ways of reading agree with the model. */
static void look(struct maestro *k, struct maestro_file *f, struct given *g, const unsigned char *want, size_t size, size_t at, size_t n)
{
	size_t expected = at >= size ? 0 : n < size - at ? n : size - at;
	unsigned char *back = malloc(n);
	ssize_t got = maestro_file_give(k, f, at, n, give, g);

	ck_assert_int_eq(got, expected);
	ck_assert_int_eq(pread(g->fd, back, expected, 0), expected);
	ck_assert(!memcmp(back, want + at, expected));
	ck_assert_int_eq(maestro_file_read(k, f, back, n, at), expected);
	ck_assert(!memcmp(back, want + at, expected));
	free(back);
}

static struct maestro_file *open_file(struct maestro *k, const char *name, struct maestro_node **root, struct maestro_node **n)
{
	struct maestro_file *f;

	OK(maestro_node_root(k, "/mnt", root));
	if (maestro_node_lookup(k, NULL, *root, name, n) == -ENOENT)
		OK(maestro_node_mknod(k, NULL, *root, name, 0100644, 0, 0, n));
	OK(maestro_node_file(k, *n, &f));
	return f;
}

START_TEST(against_a_model)
{
	const char *image = unit_image(geometries[_i], 12);
	struct maestro *k = unit_new();
	unsigned char *want = calloc(1, MOST + 1);
	struct given g = {.fd = memfd_create("given", 0)};
	struct maestro_node *root, *n;
	struct maestro_file *f;
	struct maestro_attr a;
	uint32_t seed = 5 + (uint32_t)_i;
	size_t size = 0, len, pos;
	unsigned char *buf;

	unit_mount(k, image);
	f = open_file(k, "f", &root, &n);
	buf = maestro_buffer_alloc(k, BUFFER);
	ck_assert_ptr_nonnull(buf);
	for (unsigned i = 0; i < 300; i++) {
		uint32_t what = unit_random(&seed) % 8;

		len = 1 + unit_random(&seed) % (what < 4 ? BUFFER : 5000);
		if (unit_random(&seed) % 2)
			len = (len + 4095) & ~4095u;
		pos = unit_random(&seed) % 3 ? unit_random(&seed) % MOST / 4096 * 4096 : unit_random(&seed) % MOST;
		if (!(unit_random(&seed) % 4))
			pos = size;
		if (len > MOST - pos)
			len = MOST - pos;
		if (what == 7) {
			a.size = pos;
			OK(maestro_node_setattr(k, NULL, n, MAESTRO_SET_SIZE, &a, &a));
			if (pos < size)
				memset(want + pos, 0, size - pos);
			size = pos;
		} else if (what == 6) {
			look(k, f, &g, want, size, pos, len);
		} else if (what == 5 && i % 3 == 0) {
			maestro_sync(k);
			maestro_drop_caches(k);
		} else if (len) {
			unsigned char *from = what == 4 ? want + pos : buf; /* ordinary memory, for one of them */

			for (size_t j = 0; j < len; j++)
				from[j] = (unsigned char)unit_random(&seed);
			ck_assert_int_eq(maestro_file_write(k, f, from, len, pos), len);
			memmove(want + pos, from, len);
			if (pos + len > size)
				size = pos + len;
		}
	}
	look(k, f, &g, want, size, 0, MOST + 1);
	OK(maestro_node_getattr(k, n, &a));
	ck_assert_uint_eq(a.size, size);
	maestro_node_forget(k, n, 1);
	maestro_node_forget(k, root, 1);
	unit_umount(k);
	unit_mount(k, image);
	f = open_file(k, "f", &root, &n);
	look(k, f, &g, want, size, 0, MOST + 1);
	ck_assert_uint_gt(g.pieces, 0);
	maestro_node_forget(k, n, 1);
	maestro_node_forget(k, root, 1);
	maestro_buffer_free(k, buf, BUFFER);
	unit_umount(k);
	unit_end(k);
	unit_fsck(image);
	close(g.fd);
	free(want);
}
END_TEST

/* A full disk: what was said to be written is there, and the file goes no further. */
START_TEST(full)
{
	const char *image = unit_image(geometries[_i], 4);
	struct maestro *k = unit_new();
	struct given g = {.fd = memfd_create("given", 0)};
	unsigned char *want = calloc(1, 4u << 20), *buf;
	struct maestro_node *root, *n;
	struct maestro_file *f;
	struct maestro_attr a;
	size_t size = 0;
	ssize_t put;

	unit_mount(k, image);
	f = open_file(k, "f", &root, &n);
	buf = maestro_buffer_alloc(k, BUFFER);
	for (;;) {
		memset(buf, (int)(size >> 16) + 1, 300000);
		put = maestro_file_write(k, f, buf, 300000, size);
		if (put <= 0)
			break;
		memcpy(want + size, buf, (size_t)put);
		size += (size_t)put;
		ck_assert_uint_lt(size, 4u << 20);
	}
	ck_assert_int_eq(put, -ENOSPC);
	ck_assert_uint_gt(size, 3u << 20);
	OK(maestro_node_getattr(k, n, &a));
	ck_assert_uint_eq(a.size, size);
	OK(maestro_file_fsync(k, f, false));
	maestro_drop_caches(k);
	look(k, f, &g, want, size, 0, 4u << 20);
	maestro_node_forget(k, n, 1);
	maestro_node_forget(k, root, 1);
	unit_umount(k);
	unit_end(k);
	unit_fsck(image);
	close(g.fd);
	free(want);
}
END_TEST

/* The disk fails at the Nth write: nothing is lost that was not said to be; nothing is handed out that cannot be read. */
START_TEST(failing_disk)
{
	const char *image = unit_image(geometries[_i], 8);
	struct maestro *k = unit_new();
	struct given g = {.fd = memfd_create("given", 0)};
	struct maestro_faults plan = {.size = sizeof(plan)};
	unsigned char *want = calloc(1, MOST), *buf;
	struct maestro_node *root, *n;
	struct maestro_file *f;
	size_t size = 0;

	unit_mount(k, image);
	f = open_file(k, "f", &root, &n);
	buf = maestro_buffer_alloc(k, BUFFER);
	for (unsigned i = 0; i < 8; i++) {
		ssize_t put;

		plan.write_nth = i % 4 + 1;
		OK(maestro_fault_plan(k, &plan));
		memset(buf, (int)i + 1, 200000);
		put = maestro_file_write(k, f, buf, 200000, size);
		OK(maestro_fault_plan(k, NULL));
		ck_assert_int_gt(put, 0); /* by the cache, if it has to be */
		memcpy(want + size, buf, (size_t)put);
		size += (size_t)put;
	}
	(void)maestro_file_fsync(k, f, false);
	OK(maestro_file_fsync(k, f, false));
	maestro_drop_caches(k);
	look(k, f, &g, want, size, 0, MOST);
	maestro_drop_caches(k);
	OK(maestro_file_give(k, f, 0, MOST, give, &g)); /* where it all is, is known now */
	plan = (struct maestro_faults){.size = sizeof(plan), .read_per_million = 1000000};
	OK(maestro_fault_plan(k, &plan));
	FAILS(maestro_file_give(k, f, 0, 100000, give, &g), EOPNOTSUPP);
	ck_assert_int_eq(maestro_file_read(k, f, want, 100000, 0), -EIO);
	OK(maestro_fault_plan(k, NULL));
	maestro_node_forget(k, n, 1);
	maestro_node_forget(k, root, 1);
	unit_umount(k);
	unit_end(k);
	unit_fsck(image);
	close(g.fd);
	free(want);
}
END_TEST

struct closing {
	struct maestro *k;
	struct maestro_node *n;
};

static void *forget_node(void *arg)
{
	struct closing *c = arg;

	maestro_node_forget(c->k, c->n, 1);
	maestro_thread_exit(c->k);
	return NULL;
}

/* As when a server's answer makes the other side close the file at once. */
static ssize_t close_behind(void *arg, const struct iovec *pieces, unsigned count, size_t bytes)
{
	pthread_t t;

	(void)pieces;
	(void)count;
	ck_assert(!pthread_create(&t, NULL, forget_node, arg));
	pthread_join(t, NULL);
	return (ssize_t)bytes;
}

/* The last name is gone, and the file is closed while its contents are given: it goes when they were. */
START_TEST(closed_while_given)
{
	const char *image = unit_image(geometries[_i], 8);
	struct maestro_options o = {.size = sizeof(o), .threads = 2};
	struct maestro *k = unit_new_with(&o);
	struct maestro_memory before, after;
	struct maestro_node *root;
	struct closing c = {.k = k};

	unit_mount(k, image);
	for (int i = 0; i < 3; i++) {
		struct maestro_file *f = open_file(k, "f", &root, &c.n);

		ck_assert_int_eq(maestro_file_write(k, f, geometries, sizeof(geometries), 0), sizeof(geometries));
		OK(maestro_node_unlink(k, NULL, root, "f"));
		ck_assert_int_eq(maestro_file_give(k, f, 0, sizeof(geometries), close_behind, &c), sizeof(geometries));
		maestro_node_forget(k, root, 1);
		maestro_drop_caches(k);
		OK(maestro_memory(k, i ? &after : &before));
	}
	ck_assert_uint_eq(before.objects, after.objects);
	unit_umount(k);
	unit_end(k);
	unit_fsck(image);
}
END_TEST

Suite *suite_through(void)
{
	Suite *s = suite_create("through");
	TCase *t = tcase_create("ext2");

	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, against_a_model, 0, 3);
	tcase_add_loop_test(t, full, 0, 3);
	tcase_add_loop_test(t, failing_disk, 0, 3);
	tcase_add_loop_test(t, closed_while_given, 0, 3);
	suite_add_tcase(s, t);
	return s;
}

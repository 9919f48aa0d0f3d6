/* SPDX-License-Identifier: MIT */
/*
 * image tree [-o OPTIONS] [-t TYPE] IMAGE   what is in an image, mounted read-only in a library kernel
 * image host DIRECTORY                      the same of a directory of the host
 * image abuse [-t TYPE] IMAGE...            mounts, reads all, mounts for writing (a copy in memory), changes much, unmounts: the process must survive
 *
 * The image file is never written. The kernel's log goes to stderr with -v.
 */
#include <errno.h>
#include <fcntl.h>
#include <maestro.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "image_host.h"
#include "tree_host.h"

static void log_line(void *arg, const char *text, size_t len)
{
	(void)arg;
	fwrite(text, 1, len, stderr);
}

/* Of the whole file, private: what is written stays in memory. */
static void *map_image(const char *path, size_t *size)
{
	struct stat st;
	void *p;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st) || st.st_size < 512) {
		fprintf(stderr, "image: cannot open %s\n", path);
		exit(2);
	}
	*size = (size_t)st.st_size & ~(size_t)511;
	p = mmap(NULL, *size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, fd, 0);
	close(fd);
	if (p == MAP_FAILED) {
		perror("image: mmap");
		exit(2);
	}
	return p;
}

static int show_tree(const char *path, const char *type, const char *options, bool verbose)
{
	static const struct limits none;
	struct image_run r = { .verbose = verbose ? log_line : NULL };
	size_t size;
	void *mem = map_image(path, &size);
	int err = image_begin(&r, mem, size);

	if (!err)
		err = image_mount(&r, type, MS_RDONLY, options);
	if (err) {
		printf("mount:%d\n", err);
	} else {
		struct world w = { .k = r.k };

		if (maestro_chdir(r.k, "/mnt"))
			abort();
		tree_read(&w, ".", &none, stdout);
		if (maestro_chdir(r.k, "/") || maestro_umount(r.k, "/mnt", 0))
			abort();
	}
	image_end(&r);
	munmap(mem, size);
	return err ? 1 : 0;
}

static int show_host(const char *path)
{
	static const struct limits none;
	struct world w = { 0 };

	if (chdir(path)) {
		perror(path);
		return 2;
	}
	tree_read(&w, ".", &none, stdout);
	return 0;
}

int main(int argc, char **argv)
{
	const char *type = "ext4", *options = NULL, *what = argc > 1 ? argv[1] : "";
	bool verbose = false;
	int c;

	optind = 2;
	while ((c = argc > 1 ? getopt(argc, argv, "o:t:v") : -1) != -1) {
		switch (c) {
		case 'o': options = optarg; break;
		case 't': type = optarg; break;
		case 'v': verbose = true; break;
		default: return 2;
		}
	}
	if (!strcmp(what, "host") && optind + 1 == argc)
		return show_host(argv[optind]);
	if (!strcmp(what, "tree") && optind + 1 == argc)
		return show_tree(argv[optind], type, options, verbose);
	if (!strcmp(what, "abuse") && optind < argc) {
		for (; optind < argc; optind++) {
			size_t size;
			void *mem = map_image(argv[optind], &size);
			int mounted = image_abuse(mem, size, verbose ? log_line : NULL);

			printf("%s: %s\n", argv[optind], mounted ? "mounted" : "not mounted");
			munmap(mem, size);
		}
		return 0;
	}
	fprintf(stderr, "usage: image tree|host|abuse [-o OPTIONS] [-t TYPE] [-v] IMAGE|DIRECTORY\n");
	return 2;
}

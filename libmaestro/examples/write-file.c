/* SPDX-License-Identifier: MIT */
/* Mounts an ext2 image and writes a file into it:  write-file IMAGE NAME TEXT */
#include <fcntl.h>
#include <maestro.h>
#include <stdio.h>
#include <string.h>

static int fail(const char *what, long err)
{
	fprintf(stderr, "write-file: %s: %s\n", what, strerror((int)-err));
	return 1;
}

int main(int argc, char **argv)
{
	char disk[MAESTRO_DISK_NAME], dev[32], path[4096];
	struct maestro *k;
	long err, fd;

	if (argc != 4) {
		fputs("usage: write-file IMAGE NAME TEXT\n", stderr);
		return 2;
	}
	if ((err = maestro_create(NULL, &k)))
		return fail("maestro_create", err);
	if ((err = maestro_disk_add_file(k, argv[1], 0, disk)))
		return fail(argv[1], err);
	snprintf(dev, sizeof(dev), "/dev/%s", disk);
	maestro_mkdir(k, "/mnt", 0755);
	if ((err = maestro_mount(k, dev, "/mnt", "ext2", 0, NULL)))
		return fail("mount", err);
	snprintf(path, sizeof(path), "/mnt/%s", argv[2]);
	fd = maestro_open(k, path, O_CREAT | O_TRUNC | O_WRONLY, 0644);
	if (fd < 0 || (err = maestro_write(k, (int)fd, argv[3], strlen(argv[3]))) < 0)
		return fail(path, fd < 0 ? fd : err);
	maestro_close(k, (int)fd);
	return (err = maestro_destroy(k)) ? fail("writing out", err) : 0; /* unmounts */
}

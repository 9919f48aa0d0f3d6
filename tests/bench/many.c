// SPDX-License-Identifier: MIT
/* many create|stat|unlink TOP N: N empty files, 1,000 in a directory. In C, for it is not the client that is to be measured. */
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int create(const char *name)
{
	int fd = open(name, O_CREAT | O_WRONLY | O_EXCL, 0644);

	return fd < 0 ? -1 : close(fd);
}

static int look(const char *name)
{
	struct stat st;

	return stat(name, &st);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(const char *name);
	} jobs[] = {{"create", create}, {"stat", look}, {"unlink", unlink}};
	const char *top = argc == 4 ? argv[2] : "";
	int n = argc == 4 ? atoi(argv[3]) : 0;

	for (size_t j = 0; n && j < sizeof(jobs) / sizeof(jobs[0]); j++) {
		if (strcmp(argv[1], jobs[j].name) != 0)
			continue;
		if (!j && mkdir(top, 0755))
			err(1, "%s", top);
		for (int i = 0; i < n; i++) {
			char name[4096];

			snprintf(name, sizeof(name), "%s/%d", top, i / 1000);
			if (!j && i % 1000 == 0 && mkdir(name, 0755))
				err(1, "%s", name);
			snprintf(name, sizeof(name), "%s/%d/f%d", top, i / 1000, i);
			if (jobs[j].run(name))
				err(1, "%s", name);
		}
		return 0;
	}
	errx(2, "usage: many create|stat|unlink TOP N");
}

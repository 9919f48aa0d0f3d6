// SPDX-License-Identifier: MIT
/* Shared, slave, private and unbindable mounts: what happens where, and what mountinfo says. */
#include "../abi.h"
#include <sys/statfs.h>

static char base[256];

/* The mounts below our directory: path, tags with their groups numbered as they appear. */
static void show(const char *name)
{
	char line[1024], out[900] = "";
	int groups[64], n = 0;
	FILE *f = fopen("/proc/self/mountinfo", "r");
	char rows[64][200];
	int nrows = 0;

	while (fgets(line, sizeof(line), f) && nrows < 64) {
		char where[512], tags[256] = "", *p, *end;
		int used = 0;

		if (sscanf(line, "%*d %*d %*s %*s %511s %*s %n", where, &used) < 1 || strncmp(where, base, strlen(base)))
			continue;
		end = strstr(line, " - ");
		for (p = strtok(line + used, " "); p && p < end; p = strtok(NULL, " ")) {
			char *colon = strchr(p, ':');
			int id, i;

			if (!strcmp(p, "-"))
				break;
			if (colon) {
				id = atoi(colon + 1);
				for (i = 0; i < n && groups[i] != id; i++)
					;
				if (i == n)
					groups[n++] = id;
				snprintf(tags + strlen(tags), sizeof(tags) - strlen(tags), " %.*s:%d", (int)(colon - p), p, i + 1);
			} else {
				snprintf(tags + strlen(tags), sizeof(tags) - strlen(tags), " %s", p);
			}
		}
		snprintf(rows[nrows++], sizeof(rows[0]), "[%.80s%.90s]", where + strlen(base), tags);
	}
	fclose(f);
	for (int i = 0; i < nrows; i++)
		for (int j = i + 1; j < nrows; j++)
			if (strcmp(rows[i], rows[j]) > 0) {
				char t[200];

				strcpy(t, rows[i]);
				strcpy(rows[i], rows[j]);
				strcpy(rows[j], t);
			}
	for (int i = 0; i < nrows; i++)
		strncat(out, rows[i], sizeof(out) - strlen(out) - 1);
	STR(name, out);
}

static void dirs(const char *where, ...)
{
	va_list ap;
	const char *d;

	va_start(ap, where);
	for (d = where; d; d = va_arg(ap, const char *))
		mkdir(d, 0755);
	va_end(ap);
}

static void tmpfs(const char *at)
{
	if (mount("none", at, "tmpfs", 0, NULL) < 0)
		abi_line("setup", "tmpfs on %s: %s", at, abi_errno(errno));
}

static void clear(void)
{
	static const char *const names[] = { "a", "b", "c", "d", "e" };

	for (int k = 0; k < 4; k++)
		for (int i = 0; i < 5; i++)
			while (umount2(names[i], MNT_DETACH) == 0)
				;
}

static void test_peers(void)
{
	tmpfs("a");
	dirs("a/x", "a/y", NULL);
	CALL("share", mount(NULL, "a", NULL, MS_SHARED, NULL));
	show("shared");
	CALL("bind", mount("a", "b", NULL, MS_BIND, NULL));
	show("peers");
	tmpfs("a/x");
	show("mounted in a");
	tmpfs("b/y");
	show("mounted in b");
	CALL("umount in b", umount("b/x"));
	show("gone in a");
	int fd = open("a/y", O_RDONLY);
	CALL("busy in a", umount("b/y"));
	close(fd);
	CALL("not busy", umount("b/y"));
	show("all gone");
	CALL("subtree", mount("a/x", "c", NULL, MS_BIND, NULL));
	mkdir("a/x/deep", 0755);
	tmpfs("a/x/deep");
	show("seen in c");
	tmpfs("a/y");
	show("not seen in c");
	CALL("private", mount(NULL, "b", NULL, MS_PRIVATE, NULL));
	show("b is private");
	umount("a/y");
	show("b keeps its copy");
	clear();
	show("cleared");
}

static void test_slaves(void)
{
	tmpfs("a");
	dirs("a/x", "a/y", NULL);
	mount(NULL, "a", NULL, MS_SHARED, NULL);
	mount("a", "b", NULL, MS_BIND, NULL);
	CALL("slave", mount(NULL, "b", NULL, MS_SLAVE, NULL));
	show("slave");
	tmpfs("a/x");
	show("from the master");
	tmpfs("b/y");
	show("not from the slave");
	umount("b/y");
	CALL("and shared", mount(NULL, "b", NULL, MS_SHARED, NULL));
	mount("b", "c", NULL, MS_BIND, NULL);
	show("shared slaves");
	tmpfs("a/y");
	show("to all");
	tmpfs("c/y/..");
	umount2("a/y", 0);
	show("gone from all");
	mount("c", "d", NULL, MS_BIND, NULL);
	CALL("slave of slaves", mount(NULL, "d", NULL, MS_SLAVE, NULL));
	tmpfs("a/y");
	show("down to it");
	CALL("last of its group", mount(NULL, "a", NULL, MS_SLAVE, NULL));
	show("slaves without a master");
	clear();
}

static void test_rules(void)
{
	tmpfs("a");
	dirs("a/x", "a/y", "a/z", NULL);
	CALL("unbindable", mount(NULL, "a", NULL, MS_UNBINDABLE, NULL));
	show("unbindable");
	CALL("bind it", mount("a", "b", NULL, MS_BIND, NULL));
	mount(NULL, "a", NULL, MS_PRIVATE, NULL);
	tmpfs("a/x");
	tmpfs("a/y");
	mount(NULL, "a/y", NULL, MS_UNBINDABLE, NULL);
	CALL("bind all", mount("a", "b", NULL, MS_BIND | MS_REC, NULL));
	show("without the unbindable");
	CALL("two types", mount(NULL, "a", NULL, MS_SHARED | MS_PRIVATE, NULL));
	CALL("not a mount point", mount(NULL, "a/z", NULL, MS_SHARED, NULL));
	CALL("recursively", mount(NULL, "a", NULL, MS_SHARED | MS_REC, NULL));
	show("all shared");
	CALL("move from a shared parent", mount("a/x", "c", NULL, MS_MOVE, NULL));
	tmpfs("c");
	mount(NULL, "c", NULL, MS_UNBINDABLE, NULL);
	CALL("move unbindable into shared", mount("c", "a/z", NULL, MS_MOVE, NULL));
	mount(NULL, "c", NULL, MS_PRIVATE, NULL);
	CALL("bind the shared", mount("a", "d", NULL, MS_BIND, NULL));
	CALL("move into shared", mount("c", "a/z", NULL, MS_MOVE, NULL));
	show("moved to both");
	clear();
	tmpfs("a");
	mkdir("a/sub", 0755);
	mount(NULL, "a", NULL, MS_SHARED, NULL);
	CALL("into itself", mount("a", "a/sub", NULL, MS_BIND, NULL));
	show("into itself");
	clear();
	tmpfs("a");
	dirs("a/x", NULL);
	mount(NULL, "a", NULL, MS_SHARED, NULL);
	mount("a", "b", NULL, MS_BIND, NULL);
	tmpfs("a/x");
	mkdir("a/x/in", 0755);
	tmpfs("a/x/in");
	show("two deep");
	CALL("lazily", umount2("a/x", MNT_DETACH));
	show("both gone");
	clear();
}

int main(void)
{
	getcwd(base, sizeof(base));
	strcat(base, "/");
	dirs("a", "b", "c", "d", "e", NULL);
	test_peers();
	test_slaves();
	test_rules();
	return 0;
}

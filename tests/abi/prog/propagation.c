// SPDX-License-Identifier: MIT
/* Shared, slave, private and unbindable mounts: what happens where, and what mountinfo says. */
#include "../abi.h"
#include <sys/statfs.h>

static char base[256];

/* One mount below our directory, as mountinfo has it. */
struct row {
	char where[100], tags[100];
};

static int read_rows(struct row *rows, int max)
{
	char line[1024];
	FILE *f = fopen("/proc/self/mountinfo", "r");
	int n = 0;

	while (n < max && fgets(line, sizeof(line), f)) {
		char where[512], *end = strstr(line, " - ");
		int used = 0;

		if (!end || sscanf(line, "%*d %*d %*s %*s %511s %*s %n", where, &used) < 1 || strncmp(where, base, strlen(base)))
			continue;
		snprintf(rows[n].where, sizeof(rows[n].where), "%s", where + strlen(base));
		snprintf(rows[n++].tags, sizeof(rows[0].tags), "%.*s", end > line + used ? (int)(end - line - used) : 0, line + used);
	}
	fclose(f);
	return n;
}

static int by_place(const void *a, const void *b)
{
	const struct row *x = a, *y = b;
	int order = strcmp(x->where, y->where);

	return order ? order : strcmp(x->tags, y->tags);
}

/* All of them by path, their groups numbered as they appear. */
static void show(const char *name)
{
	static struct row rows[64];
	char out[900] = "";
	int groups[64], n = 0, count = read_rows(rows, 64);

	qsort(rows, (size_t)count, sizeof(rows[0]), by_place);
	for (int k = 0; k < count; k++) {
		snprintf(out + strlen(out), sizeof(out) - strlen(out), "[%s", rows[k].where);
		for (char *p = strtok(rows[k].tags, " "); p; p = strtok(NULL, " ")) {
			char *colon = strchr(p, ':');
			int i = 0;

			while (colon && i < n && groups[i] != atoi(colon + 1))
				i++;
			if (colon && i == n)
				groups[n++] = atoi(colon + 1);
			if (colon)
				snprintf(out + strlen(out), sizeof(out) - strlen(out), " %.*s:%d", (int)(colon - p), p, i + 1);
			else
				snprintf(out + strlen(out), sizeof(out) - strlen(out), " %s", p);
		}
		strncat(out, "]", sizeof(out) - strlen(out) - 1);
	}
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

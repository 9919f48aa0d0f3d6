/* SPDX-License-Identifier: MIT */
/*
 * crash [STATES [SEED [SECONDS]]]: checks that many different states, or as many as there is time for, but at least MIN_STATES. Workloads: every operation alone with every way to sync after it, then pairs and triples, drawn.
 * Everything is kept in memory and /dev/shm. The first wrong state ends the program; it is left in CRASH_KEEP (a file name), if that is set.
 */
#include "crash.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* What follows an operation. */
enum sync { NONE, FSYNC, FDATASYNC, FSYNC_DIR, FSYNC_BOTH, SYNCFS, SYNC, WRITE_BACK, NSYNCS };
static const char *const sync_names[NSYNCS] = {"", "fsync", "fdatasync", "fsync of the directory", "fsync of both", "syncfs", "sync", "a minute"};

struct workload {
	unsigned n;
	const struct op *op[MAX_OPS];
	enum sync sync[MAX_OPS];
};

static struct {
	struct maestro *run, *check; /* where workloads run; where states are looked at */
	struct maestro_snapshot *run_new, *check_new;
	uint8_t base[IMAGE_SIZE], state[IMAGE_SIZE];
	struct record rec, probe;
	struct tree base_tree, tree;
	struct expectations x;
	struct workload w;
	unsigned c;    /* the state being checked: after so many entries */
	uint64_t keep; /* and with these of the last ones */
	uint64_t *seen; /* hash table of states */
	size_t seen_size, states;
	uint64_t random;
	char file[64];
	size_t wanted;
	time_t end; /* 0: no limit */
} g;

#define MIN_STATES 100

static bool enough(void)
{
	return g.states >= g.wanted || (g.end && g.states >= MIN_STATES && time(NULL) >= g.end);
}

static uint64_t draw(void)
{
	g.random ^= g.random << 13;
	g.random ^= g.random >> 7;
	g.random ^= g.random << 17;
	return g.random;
}

void crash_fail(const char *format, ...)
{
	const char *keep = getenv("CRASH_KEEP");
	va_list ap;

	fprintf(stderr, "crash: ");
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fprintf(stderr, "\n  after");
	for (unsigned i = 0; i < g.w.n; i++)
		fprintf(stderr, " %s%s%s;", g.w.op[i]->name, g.w.sync[i] ? ", " : "", sync_names[g.w.sync[i]]);
	fprintf(stderr, " sync\n  %u of %u entries of the log, the unflushed ones by mask %llx\n", g.c, g.rec.n, (unsigned long long)g.keep);
	for (unsigned i = 0; i < g.rec.n; i++)
		fprintf(stderr, g.rec.log[i].len ? "  %u: block %u, %u bytes\n" : "  %u: flush\n", i, g.rec.log[i].offset / 1024, g.rec.log[i].len);
	if (keep) {
		int fd = open(keep, O_CREAT | O_TRUNC | O_WRONLY, 0644);

		if (fd < 0 || write(fd, g.state, IMAGE_SIZE) != IMAGE_SIZE)
			fprintf(stderr, "crash: cannot keep the state\n");
	}
	unlink(g.file);
	exit(1);
}

static void on_panic(void *arg, const char *text)
{
	(void)arg;
	crash_fail("the kernel panicked: %s", text);
}

/* ---------------------------------------------------------------- e2fsck */
static int spawn_fsck(const char *option)
{
	char *argv[] = {(char *)"e2fsck", (char *)option, g.file, NULL};
	posix_spawn_file_actions_t fa;
	int status, err;
	pid_t pid;

	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_addopen(&fa, 1, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_addopen(&fa, 2, "/dev/null", O_WRONLY, 0);
	err = posix_spawnp(&pid, "e2fsck", &fa, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&fa);
	if (err || waitpid(pid, &status, 0) != pid)
		crash_fail("cannot run e2fsck");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

static void transfer_file(bool write_it, uint8_t *image)
{
	int fd = open(g.file, O_CREAT | O_RDWR, 0600);
	ssize_t n = fd < 0 ? -1 : write_it ? pwrite(fd, image, IMAGE_SIZE, 0) : pread(fd, image, IMAGE_SIZE, 0);

	if (n != IMAGE_SIZE)
		crash_fail("%s: %s", g.file, strerror(errno));
	close(fd);
}

/* ---------------------------------------------------------------- one state */
static uint64_t mix(uint64_t h, const void *data, size_t n)
{
	const uint8_t *p = data;
	uint64_t word;

	for (size_t i = 0; i < n; i += 8) {
		memcpy(&word, p + i, 8);
		h = (h ^ word) * 0x100000001b3ULL;
		h ^= h >> 29;
	}
	return h;
}

/* Not the same image with the same promises as before. */
static bool is_new(const uint8_t *image)
{
	uint64_t h = mix(0xcbf29ce484222325ULL, image, IMAGE_SIZE);
	size_t at;

	for (unsigned i = 0; i < g.x.n; i++)
		if (g.x.e[i].from <= g.c && g.c <= g.x.e[i].to)
			h = mix(h + g.x.e[i].what, &g.x.e[i].o, sizeof(g.x.e[i].o));
	for (at = h % g.seen_size; g.seen[at]; at = (at + 1) % g.seen_size)
		if (g.seen[at] == h)
			return false;
	g.seen[at] = h;
	g.states++;
	return true;
}

/* As a machine that starts again without e2fsck would: it may refuse, and answer with errors, but not fall. */
static void mount_unrepaired(void)
{
	MUST(maestro_restore(g.check, g.check_new));
	record_reset(&g.probe, g.state);
	if (!record_mount(g.check, &g.probe)) {
		int fd;

		tree_read(g.check, &g.tree);
		fd = maestro_open(g.check, "/mnt/after-the-crash", O_CREAT | O_WRONLY, 0644);
		if (fd >= 0) {
			(void)!maestro_write(g.check, fd, "x", 1);
			maestro_close(g.check, fd);
		}
		(void)maestro_umount(g.check, "/mnt", 0);
	}
}

static void check_repaired(const uint8_t *image)
{
	const struct expectation *broken;
	const struct object *is;

	MUST(maestro_restore(g.check, g.check_new));
	record_reset(&g.probe, image);
	MUST(record_mount(g.check, &g.probe));
	tree_read(g.check, &g.tree);
	broken = expect_check(&g.x, &g.tree, g.c);
	if (!broken)
		return;
	is = tree_find(&g.tree, broken->o.path);
	crash_fail("%s is not what was promised after entry %u (%s): mode %o size %llu%s; now %s: mode %o size %llu%s", broken->o.path, broken->from,
		   broken->o.absent ? "absent" : broken->what == NAMED ? "by name" : "anywhere", broken->o.mode, (unsigned long long)broken->o.size,
		   broken->o.xattr ? " with attribute" : "", is ? "there" : "absent", is ? is->mode : 0, is ? (unsigned long long)is->size : 0,
		   is && is->xattr ? " with attribute" : "");
}

static void check_state(unsigned c, uint64_t keep)
{
	static uint8_t repaired[IMAGE_SIZE];
	int code;

	g.c = c;
	g.keep = keep;
	record_state(&g.rec, g.base, c, keep, g.state);
	if (!is_new(g.state))
		return;
	mount_unrepaired();
	transfer_file(true, g.state);
	code = spawn_fsck("-fy");
	if (code > 1)
		crash_fail("e2fsck -fy: status %d", code);
	transfer_file(false, repaired);
	check_repaired(repaired);
}

/* ---------------------------------------------------------------- one workload */
static void parent_of(const char *path, char *dir, size_t size)
{
	char *slash;

	snprintf(dir, size, "/mnt/%s", path);
	slash = strrchr(dir, '/');
	*slash = '\0';
}

static int open_and_sync(const char *path, bool data_only)
{
	int fd = maestro_open(g.run, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK), err;

	if (fd < 0)
		return fd;
	err = data_only ? maestro_fdatasync(g.run, fd) : maestro_fsync(g.run, fd);
	maestro_close(g.run, fd);
	return err;
}

static void sync_file(const struct op *op, enum sync how)
{
	char path[MAX_PATH + 8], dir[MAX_PATH + 8];
	struct object o;
	bool done;

	snprintf(path, sizeof(path), "/mnt/%s", op->touches[0]);
	parent_of(op->touches[0], dir, sizeof(dir));
	done = how != FSYNC_DIR && !open_and_sync(path, how == FDATASYNC);
	if (how == FSYNC_DIR || how == FSYNC_BOTH)
		(void)open_and_sync(dir, false);
	tree_object(g.run, op->touches[0], &o);
	/* a directory that was renamed may have both names; e2fsck takes away one */
	/* an empty file without a name is not worth a place in lost+found to e2fsck */
	if (done && (how == FSYNC_BOTH || o.size || !S_ISREG(o.mode)))
		expect_object(&g.x, &o, how == FDATASYNC ? DATA_SOMEWHERE : how == FSYNC || S_ISDIR(o.mode) ? SOMEWHERE : NAMED, g.rec.n);
	else if (o.absent && (how == FSYNC_DIR || how == FSYNC_BOTH))
		expect_object(&g.x, &o, NAMED, g.rec.n);
}

/* All there is now is lasting, and what was touched and is not there stays away. */
static void promise_all(unsigned done)
{
	struct object o;

	tree_read(g.run, &g.tree);
	expect_all(&g.x, &g.tree, g.rec.n);
	for (unsigned i = 0; i < done; i++)
		for (unsigned t = 0; t < 4 && g.w.op[i]->touches[t]; t++) {
			tree_object(g.run, g.w.op[i]->touches[t], &o);
			if (o.absent)
				expect_object(&g.x, &o, NAMED, g.rec.n);
		}
}

static void sync_after(unsigned i)
{
	int fd;

	switch (g.w.sync[i]) {
	case NONE:
	case NSYNCS:
		return;
	case WRITE_BACK:
		maestro_pump(g.run, 60000000000LL);
		return;
	case SYNC:
		maestro_sync(g.run);
		break;
	case SYNCFS:
		fd = maestro_open(g.run, "/mnt", O_RDONLY | O_DIRECTORY);
		MUST(fd);
		MUST(maestro_syncfs(g.run, fd));
		maestro_close(g.run, fd);
		break;
	default:
		sync_file(g.w.op[i], g.w.sync[i]);
		return;
	}
	promise_all(i + 1);
}

static void touch(const char *path)
{
	struct object o;

	expect_end(&g.x, path, g.rec.n);
	tree_object(g.run, path, &o);
	if (!o.absent)
		expect_end_inode(&g.x, o.ino, g.rec.n);
}

static void run_workload(void)
{
	MUST(maestro_restore(g.run, g.run_new));
	record_reset(&g.rec, g.base);
	MUST(record_mount(g.run, &g.rec));
	g.x.n = 0;
	expect_all(&g.x, &g.base_tree, 0);
	for (unsigned i = 0; i < g.w.n; i++) {
		for (unsigned t = 0; t < 4 && g.w.op[i]->touches[t]; t++)
			touch(g.w.op[i]->touches[t]);
		(void)g.w.op[i]->run(g.run);
		sync_after(i);
	}
	maestro_sync(g.run);
	promise_all(g.w.n);
}

static void check_workload(void)
{
	run_workload();
	for (unsigned c = 0; c <= g.rec.n && !enough(); c++) {
		unsigned loose = record_unflushed(&g.rec, c);

		check_state(c, ~0ULL);
		if (loose < 2)
			continue;
		check_state(c, ~(1ULL << (loose - 2)));	 /* the last but one is late */
		check_state(c, 1ULL << ((loose - 1) % 64)); /* only the last */
		check_state(c, draw());
	}
}

/* ---------------------------------------------------------------- all */
static void make_base(void)
{
	char command[200];

	snprintf(command, sizeof(command), "rm -f %s; mke2fs -q -F -t ext2 -b 1024 -N 64 -m 0 %s %uk >/dev/null 2>&1", g.file, g.file, IMAGE_SIZE >> 10);
	if (system(command))
		crash_fail("mke2fs failed");
	transfer_file(true, g.base); /* as long as it must be */
	if (system(command))
		crash_fail("mke2fs failed");
	transfer_file(false, g.base);
	record_reset(&g.rec, g.base);
	MUST(record_mount(g.run, &g.rec));
	ops_prepare(g.run);
	maestro_sync(g.run);
	tree_read(g.run, &g.base_tree);
	MUST(maestro_umount(g.run, "/mnt", 0));
	memcpy(g.base, g.rec.image, IMAGE_SIZE);
	memcpy(g.state, g.base, IMAGE_SIZE);
	transfer_file(true, g.base);
	if (spawn_fsck("-fn"))
		crash_fail("the base image is not clean");
}

static struct maestro *start(struct maestro_snapshot **s)
{
	const struct maestro_options o = {.size = sizeof(o), .memory = 16 << 20, .virtual_clock = true, .seed = 1, .panicked = on_panic};
	struct maestro *k;

	MUST(maestro_create(&o, &k));
	MUST(maestro_mkdir(k, "/mnt", 0755));
	MUST(maestro_snapshot(k, s));
	return k;
}

static void single_workloads(void)
{
	for (unsigned i = 0; i < nops * NSYNCS && !enough(); i++) {
		g.w = (struct workload){1, {&ops[i / NSYNCS]}, {(enum sync)(i % NSYNCS)}};
		check_workload();
	}
}

static void drawn_workloads(size_t until)
{
	while (g.states < until && !enough()) {
		g.w.n = 2 + draw() % 2;
		for (unsigned i = 0; i < g.w.n; i++) {
			g.w.op[i] = &ops[draw() % nops];
			g.w.sync[i] = (enum sync)(draw() % NSYNCS);
		}
		check_workload();
	}
}

int main(int argc, char **argv)
{
	uint64_t seed = argc > 2 ? strtoul(argv[2], NULL, 0) : 1;
	time_t began = time(NULL);

	g.random = seed * 0x9E3779B97F4A7C15ULL | 1;
	g.wanted = argc > 1 ? strtoul(argv[1], NULL, 0) : 1000;
	g.end = argc > 3 && *argv[3] ? began + (time_t)strtoul(argv[3], NULL, 0) : 0;
	g.seen_size = g.wanted * 3 + 1000;
	g.seen = calloc(g.seen_size, sizeof(*g.seen));
	if (!g.seen)
		return 1;
	snprintf(g.file, sizeof(g.file), "/dev/shm/crash-%d", (int)getpid());
	g.run = start(&g.run_new);
	g.check = start(&g.check_new);
	make_base();
	/* few states: the drawn ones first, so that each seed sees others */
	if (g.wanted < 10000)
		drawn_workloads(g.wanted / 2);
	single_workloads();
	drawn_workloads(g.wanted);
	printf("crash: %zu states, seed %llu, %ld s\n", g.states, (unsigned long long)seed, (long)(time(NULL) - began));
	unlink(g.file);
	record_reset(&g.rec, g.base);
	record_reset(&g.probe, g.base);
	free(g.rec.log);
	free(g.probe.log);
	free(g.seen);
	return maestro_destroy(g.run) || maestro_destroy(g.check) ? 1 : 0;
}

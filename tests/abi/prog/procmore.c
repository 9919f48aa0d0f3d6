// SPDX-License-Identifier: MIT
/* Files of /proc that tools read now and then: scores and slack, sums of maps, pagemap, terminals, CPUs and the PCI bus in sysfs. */
#include "../abi.h"
#include <sys/prctl.h>

static int read_file(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY), n = fd < 0 ? -1 : (int)read(fd, text, size - 1);

	text[n > 0 ? n : 0] = 0;
	close(fd);
	return n;
}

/* On one line. */
static void show(const char *path)
{
	char text[900];

	if (read_file(path, text, sizeof(text)) < 0)
		FAILED(path);
	for (char *p = text; *p; p++)
		if (*p == '\n')
			*p = '|';
	STR(path, text);
}

static void caches(void)
{
	static const char *const files[] = {"type", "level", "size", "coherency_line_size", "number_of_sets", "physical_line_partition",
					    "ways_of_associativity", "shared_cpu_list", "shared_cpu_map", "id"};
	char path[100];

	for (int i = 0; i < 5; i++) {
		snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu0/cache/index%d", i);
		YES(path, !access(path, F_OK));
		for (unsigned f = 0; f < sizeof(files) / sizeof(*files) && !access(path, F_OK); f++) {
			char file[140];

			snprintf(file, sizeof(file), "%s/%s", path, files[f]);
			show(file);
		}
	}
}

static void function(const char *name)
{
	static const char *const files[] = {"class", "device", "modalias", "revision", "subsystem_device", "subsystem_vendor", "vendor"};
	char path[100], target[100], config[300];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s", name);
	n = readlink(path, target, sizeof(target) - 1);
	target[n < 0 ? 0 : n] = 0;
	STR(path, target);
	for (unsigned f = 0; f < sizeof(files) / sizeof(*files); f++) {
		snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", name, files[f]);
		show(path);
	}
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", name);
	fd = open(path, O_RDONLY);
	NUM("config", read(fd, config, sizeof(config)));
	for (int i = 0; i < 16; i += i == 3 ? 5 : 1) /* but for command and status */
		NUM("byte", (unsigned char)config[i]);
	NUM("from the middle", pread(fd, config + 14, 3, 14));
	NUM("byte", (unsigned char)config[14]);
	NUM("behind its end", pread(fd, config, 1, 256));
	close(fd);
}

static void functions(void)
{
	struct dirent **found;
	int n = scandir("/sys/bus/pci/devices", &found, NULL, alphasort);

	NUM("functions", n);
	for (int i = 2; i < n; i++)
		function(found[i]->d_name);
}

static int put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY), r = fd < 0 ? -1 : (int)write(fd, text, strlen(text)), e = errno;

	close(fd);
	errno = e;
	return r;
}

static void scores(void)
{
	char text[64];

	show("/proc/self/oom_adj");
	read_file("/proc/self/oom_score", text, sizeof(text));
	YES("score", atoi(text) >= 660 && atoi(text) < 700);
	CALL("adj", put("/proc/self/oom_adj", "8"));
	show("/proc/self/oom_score_adj");
	read_file("/proc/self/oom_score", text, sizeof(text));
	YES("higher score", atoi(text) >= 960 && atoi(text) < 1010);
	CALL("adj max", put("/proc/self/oom_adj", "15"));
	show("/proc/self/oom_score_adj");
	show("/proc/self/oom_adj");
	CALL("adj never", put("/proc/self/oom_adj", "-17"));
	show("/proc/self/oom_score_adj");
	show("/proc/self/oom_score");
	CALL("adj too high", put("/proc/self/oom_adj", "16"));
	CALL("adj too low", put("/proc/self/oom_adj", "-18"));
	CALL("adj none", put("/proc/self/oom_adj", "x"));
	CALL("adj back", put("/proc/self/oom_score_adj", "0"));
	show("/proc/1/oom_score");
}

static void slack(void)
{
	show("/proc/self/timerslack_ns");
	CALL("slack", put("/proc/self/timerslack_ns", "1234567"));
	show("/proc/self/timerslack_ns");
	NUM("prctl", prctl(PR_GET_TIMERSLACK));
	CALL("slack 0", put("/proc/self/timerslack_ns", "0"));
	show("/proc/self/timerslack_ns");
	CALL("slack none", put("/proc/self/timerslack_ns", "x"));
	CALL("slack of a thread", open("/proc/self/task/1/timerslack_ns", O_RDONLY));
}

/* A field of smaps_rollup, kB. */
static long field(const char *text, const char *name)
{
	const char *p = strstr(text, name);

	return p ? atol(p + strlen(name)) : -1;
}

static void sums(void)
{
	static char before[4000], after[4000];
	size_t n = 1 << 20;
	char *p;

	read_file("/proc/self/smaps_rollup", before, sizeof(before));
	p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(p, 1, n);
	read_file("/proc/self/smaps_rollup", after, sizeof(after));
	YES("rollup", strstr(after, "[rollup]\n") != NULL);
	NUM("column", strchr(after, '[') - after);
	for (char *line = strtok(strchr(before, '\n'), "\n"); line; line = strtok(NULL, "\n")) {
		char *colon = strchr(line, ':');

		*colon = 0;
		NUM(line, strspn(colon + 1, " ") + strlen(line));
	}
	read_file("/proc/self/smaps_rollup", before, sizeof(before));
	YES("rss has it", field(after, "\nRss:") >= 1024);
	YES("anonymous has it", field(after, "\nAnonymous:") >= 1024 && field(after, "\nAnonymous:") < 1400);
	YES("dirty has it", field(after, "\nPrivate_Dirty:") >= 1024);
	pid_t child = fork();
	if (child == 0) {
		pause();
		_exit(0);
	}
	read_file("/proc/self/smaps_rollup", before, sizeof(before));
	YES("shared with the child", field(before, "\nShared_Dirty:") >= 1024);
	YES("half of it is mine", field(before, "\nPss_Anon:") >= 512 && field(before, "\nPss_Anon:") < 900);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	munmap(p, n);
}

static void pages(void)
{
	uint64_t w[3] = { 0 };
	char *p = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = open("/proc/self/pagemap", O_RDONLY);

	p[4096] = 1;
	NUM("pagemap", pread(fd, w, sizeof(w), (off_t)((uintptr_t)p / 4096 * 8)));
	YES("not there", !(w[0] >> 63) && !(w[2] >> 63));
	YES("there", w[1] >> 63);
	YES("anonymous", !(w[1] >> 61 & 1));
	YES("mine alone", w[1] >> 56 & 1);
	YES("somewhere", w[1] & ((1ULL << 55) - 1));
	CALL("odd place", pread(fd, w, 8, 4));
	CALL("odd length", pread(fd, w, 7, 8));
	NUM("beyond", pread(fd, w, 8, 0x7ffffff8));
	close(fd);
	char *f = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, open("/abi/list", O_RDONLY), 0);
	YES("of a file", *f);
	fd = open("/proc/self/pagemap", O_RDONLY);
	pread(fd, w, 8, (off_t)((uintptr_t)f / 4096 * 8));
	YES("file bit", w[0] >> 61 & 1);
	close(fd);
	CHILD("user", setuid(1000);
		prctl(PR_SET_DUMPABLE, 1);
		int u = open("/proc/self/pagemap", O_RDONLY);
		pread(u, w, 8, (off_t)((uintptr_t)p / 4096 * 8 + 8));
		YES("user sees no frame", !(w[0] & ((1ULL << 55) - 1)) && w[0] >> 63));
}

int main(void)
{
	scores();
	slack();
	sums();
	pages();
	show("/proc/self/setgroups");
	show("/proc/self/projid_map");
	show("/proc/execdomains");
	char text[900];
	read_file("/proc/tty/ldiscs", text, sizeof(text));
	YES("ldiscs", !strncmp(text, "n_tty       0\n", 14));
	read_file("/proc/tty/drivers", text, sizeof(text));
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		if (!strncmp(line, "/dev/", 5) || !strncmp(line, "pty", 3))
			STR("driver", line);
	mkdir("/sys", 0755);
	mount("sysfs", "/sys", "sysfs", 0, NULL);
	show("/sys/devices/system/cpu/isolated");
	show("/sys/devices/system/cpu/offline");
	caches();
	functions();
	return 0;
}
